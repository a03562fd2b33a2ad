#include "document/name.h"

#include "fmt/format.h"

namespace gnomon::document {
namespace {

bool letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

}  // namespace

absl::Status check_name(std::string_view name) {
  if (name.empty()) return absl::InvalidArgumentError("is required: a name, as \"payment_processing_v3\"");
  bool good = name.size() <= 63 && letter_or_digit(name.front());
  for (char c : name) good = good && (letter_or_digit(c) || c == '.' || c == '_' || c == '-');
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("\"{}\": must be 1 to 63 letters, digits, '.', '_' or '-', a letter or digit first", name));
}

}  // namespace gnomon::document
