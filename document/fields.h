#pragma once
// One YAML node against one protobuf message, by reflection: the schema is the only list of fields there is.

#include <map>
#include <string>

#include "common/status.h"
#include "google/protobuf/message.h"
#include "yaml-cpp/yaml.h"

namespace gnomon::document {

// A wrong place in a document: the line (from 1; 0 if unknown) and "field.path: what is wrong".
struct Fault {
  int line = 0;
  std::string message;
};

// Where each field was found, by path ("noise_parameters.error_rate", "testing_scenarios[1]").
using Lines = std::map<std::string, int>;

int line_of(const YAML::Node& node);

// Copies the mapping `node` into `message` and notes the line of every field. Unknown and duplicate fields, values of
// the wrong type and empty values are faults. Strings accept numbers as they are written.
class FieldReader {
 public:
  // False when there is a fault.
  bool read(const YAML::Node& node, google::protobuf::Message& message) { return read_message(node, message, ""); }
  const Lines& lines() const { return lines_; }
  const Fault& fault() const { return fault_; }

 private:
  bool read_message(const YAML::Node& node, google::protobuf::Message& message, const std::string& prefix);
  bool read_field(const YAML::Node& value, google::protobuf::Message& message,
                  const google::protobuf::FieldDescriptor& field, const std::string& path);
  bool read_list(const YAML::Node& value, google::protobuf::Message& message,
                 const google::protobuf::FieldDescriptor& field, const std::string& path);
  bool read_string(const YAML::Node& value, std::string& out, const std::string& path);
  bool read_uint32(const YAML::Node& value, std::uint32_t& out, const std::string& path);
  bool fail(const YAML::Node& node, const std::string& path, const std::string& what);

  Lines lines_;
  Fault fault_;
};

}  // namespace gnomon::document
