#include "document/fields.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <set>
#include <vector>

#include "fmt/format.h"
#include "google/protobuf/descriptor.h"

namespace gnomon::document {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row[b.size()];
}

// "did you mean X?" for a field that is close or begins alike, else the list of all.
std::string suggestion(const std::string& name, const Descriptor& message) {
  std::string closest;
  std::size_t least = std::max<std::size_t>(2, name.size() / 4) + 1;
  std::vector<std::string> known;
  for (int i = 0; i < message.field_count(); ++i) {
    const std::string& field = message.field(i)->name();
    known.push_back(field);
    const bool prefix = name.size() >= 3 && (field.starts_with(name) || name.starts_with(field));
    const std::size_t distance = prefix ? 1 : edit_distance(name.substr(0, 64), field);
    if (distance < least) {
      least = distance;
      closest = field;
    }
  }
  if (!closest.empty()) return "did you mean " + closest + "?";
  return fmt::format("known here: {}", fmt::join(known, ", "));
}

// Foreign text in an error message: on one line and not endless.
std::string shown(const std::string& text) {
  std::string out = text.substr(0, 80);
  std::replace_if(
      out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
  return out.size() < text.size() ? out + "..." : out;
}

bool plain(const YAML::Node& node) {
  return node.Tag() == "?";
}

bool reads_as_bool(const std::string& text) {
  static const std::set<std::string> kBools{"true", "True", "TRUE", "false", "False", "FALSE"};
  return kBools.count(text) > 0;
}

}  // namespace

int line_of(const YAML::Node& node) {
  return node.Mark().is_null() ? 0 : node.Mark().line + 1;
}

bool FieldReader::fail(const YAML::Node& node, const std::string& path, const std::string& what) {
  fault_.line = line_of(node);
  fault_.message = path.empty() ? what : path + ": " + what;
  return false;
}

bool FieldReader::read_message(const YAML::Node& node, google::protobuf::Message& message, const std::string& prefix) {
  if (!node.IsMap()) return fail(node, prefix, "must be a mapping of fields to values");
  const Descriptor& descriptor = *message.GetDescriptor();
  std::set<std::string> seen;
  for (const auto& entry : node) {
    const YAML::Node& key = entry.first;
    if (!key.IsScalar()) return fail(key, prefix, "field names must be text");
    const std::string name = key.Scalar();
    const std::string path = prefix.empty() ? shown(name) : prefix + "." + shown(name);
    const FieldDescriptor* field = descriptor.FindFieldByName(name);
    if (field == nullptr) return fail(key, path, "unknown field; " + suggestion(name, descriptor));
    if (!seen.insert(name).second) return fail(key, path, "is there twice");
    lines_[path] = line_of(key);
    if (!read_field(entry.second, message, *field, path)) return false;
  }
  return true;
}

bool FieldReader::read_field(const YAML::Node& value, google::protobuf::Message& message, const FieldDescriptor& field,
                             const std::string& path) {
  if (value.IsNull()) return fail(value, path, "has no value; leave the field out for its default");
  if (field.is_repeated()) return read_list(value, message, field, path);
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return read_message(value, *reflection.MutableMessage(&message, &field), path);
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string text;
      if (!read_string(value, text, path)) return false;
      reflection.SetString(&message, &field, std::move(text));
      return true;
    }
    case FieldDescriptor::CPPTYPE_UINT32: {
      std::uint32_t number = 0;
      if (!read_uint32(value, number, path)) return false;
      reflection.SetUInt32(&message, &field, number);
      return true;
    }
    default:
      return fail(value, path, std::string("fields of type ") + field.type_name() + " cannot be written in a document");
  }
}

bool FieldReader::read_list(const YAML::Node& value, google::protobuf::Message& message, const FieldDescriptor& field,
                            const std::string& path) {
  const std::string example =
      field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE ? "[{field: value}]" : "[\"simulated_peak_load_10x\"]";
  if (!value.IsSequence()) return fail(value, path, "must be a list, as " + example);
  int index = 0;
  for (const YAML::Node& item : value) {
    const std::string item_path = fmt::format("{}[{}]", path, index++);
    lines_[item_path] = line_of(item);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      if (!read_message(item, *message.GetReflection()->AddMessage(&message, &field), item_path)) return false;
      continue;
    }
    std::string text;
    if (!read_string(item, text, item_path)) return false;
    message.GetReflection()->AddString(&message, &field, std::move(text));
  }
  return true;
}

bool FieldReader::read_string(const YAML::Node& value, std::string& out, const std::string& path) {
  if (!value.IsScalar()) return fail(value, path, "must be text");
  out = value.Scalar();
  if (out.empty()) return fail(value, path, "is empty; leave the field out for its default");
  if (plain(value) && reads_as_bool(out))
    return fail(value, path, fmt::format("\"{}\": must be text, not a boolean", out));
  // A message quotes the value: keep what can break a line or a terminal out of it.
  if (out != shown(out))
    return fail(value, path, fmt::format("\"{}\": must be one line of at most 80 bytes", shown(out)));
  return true;
}

bool FieldReader::read_uint32(const YAML::Node& value, std::uint32_t& out, const std::string& path) {
  if (!value.IsScalar()) return fail(value, path, "must be a whole number");
  const std::string& text = value.Scalar();
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  // Zero would read as "left out" from here on.
  if (error != std::errc() || stop != text.data() + text.size() || out == 0)
    return fail(value, path, fmt::format("\"{}\": must be a whole number above zero", shown(text)));
  return true;
}

}  // namespace gnomon::document
