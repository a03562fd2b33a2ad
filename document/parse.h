#pragma once
// YAML or JSON text to protobuf messages, field by field against the schema. Unknown fields, wrong types and invalid
// values are errors of the form  file:line: field.path: "value": what is allowed.

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "gnomon/v1/document.pb.h"

namespace gnomon::document {

struct Documents {
  std::vector<v1::ServiceDescriptor> services;
  std::vector<v1::ShadowInstanceProfile> profiles;
};

// One file may hold several YAML documents (---). A document with `service_descriptor` at its top is a profile, one
// with `name` a descriptor. Every document is validated (profile.h, service.h).
absl::StatusOr<Documents> parse(std::string_view text, const std::string& file);

// Reads and parses a file.
absl::StatusOr<Documents> parse_file(const std::string& path);

}  // namespace gnomon::document
