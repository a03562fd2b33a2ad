#include "document/parse.h"

#include <filesystem>
#include <fstream>

#include "document/fields.h"
#include "document/profile.h"
#include "document/service.h"
#include "fmt/format.h"

namespace gnomon::document {
namespace {

constexpr std::size_t kMaxSize = 1u << 20;

absl::Status invalid(const std::string& file, int line, std::string_view what) {
  return absl::InvalidArgumentError(line > 0 ? fmt::format("{}:{}: {}", file, line, what)
                                             : fmt::format("{}: {}", file, what));
}

// The line that a validation error speaks of: of the longest known field path that its message begins with.
int line_for(std::string_view message, const Lines& lines, int document_line) {
  const std::string_view path = message.substr(0, message.find(": "));
  if (const auto found = lines.find(std::string(path)); found != lines.end()) return found->second;
  if (const std::size_t dot = path.rfind('.'); dot != std::string_view::npos)
    if (const auto found = lines.find(std::string(path.substr(0, dot))); found != lines.end()) return found->second;
  return document_line;
}

template <class Message>
absl::StatusOr<Message> read(const YAML::Node& node, const std::string& file) {
  FieldReader reader;
  Message message;
  if (!reader.read(node, message)) return invalid(file, reader.fault().line, reader.fault().message);
  const absl::Status status = validate(message).status();
  if (status.ok()) return message;
  const std::string what(status.message());
  return invalid(file, line_for(what, reader.lines(), line_of(node)), what);
}

// How many of the mapping's fields a message has.
int fields_in_common(const YAML::Node& node, const google::protobuf::Descriptor& descriptor) {
  int count = 0;
  for (const auto& entry : node)
    count += entry.first.IsScalar() && descriptor.FindFieldByName(entry.first.Scalar()) != nullptr;
  return count;
}

absl::Status add_document(const YAML::Node& node, const std::string& file, Documents& out) {
  constexpr std::string_view kNeither =
      "is neither a profile (\"service_descriptor\" at its top) nor a service descriptor (\"name\" at its top)";
  if (!node.IsMap()) return invalid(file, line_of(node), kNeither);
  bool is_profile = node["service_descriptor"].IsDefined();
  if (!is_profile && !node["name"].IsDefined()) {
    // The one field that tells is missing or misspelt: judge by the others, so that the error can name it.
    const int profile = fields_in_common(node, *v1::ShadowInstanceProfile::descriptor());
    const int service = fields_in_common(node, *v1::ServiceDescriptor::descriptor());
    if (profile == service) return invalid(file, line_of(node), kNeither);
    is_profile = profile > service;
  }
  if (is_profile) {
    ASSIGN_OR_RETURN(v1::ShadowInstanceProfile message, read<v1::ShadowInstanceProfile>(node, file));
    out.profiles.push_back(std::move(message));
  } else {
    ASSIGN_OR_RETURN(v1::ServiceDescriptor message, read<v1::ServiceDescriptor>(node, file));
    out.services.push_back(std::move(message));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Documents> parse(std::string_view text, const std::string& file) {
  if (text.size() > kMaxSize) return invalid(file, 0, "is too large: documents are at most 1Mi");
  Documents out;
  try {
    for (const YAML::Node& node : YAML::LoadAll(std::string(text)))
      if (!node.IsNull()) RETURN_IF_ERROR(add_document(node, file, out));
  } catch (const YAML::Exception& error) {
    return invalid(file, error.mark.is_null() ? 0 : error.mark.line + 1, "is not YAML or JSON: " + error.msg);
  }
  if (out.services.empty() && out.profiles.empty()) return invalid(file, 0, "holds no document");
  return out;
}

absl::StatusOr<Documents> parse_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return invalid(path, 0, "is a directory; name a file");
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return errno_status(path);
  std::string text(kMaxSize + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return parse(text, path);
}

}  // namespace gnomon::document
