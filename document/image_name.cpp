#include "document/image_name.h"

#include <algorithm>
#include <string_view>

#include "fmt/format.h"

namespace gnomon::document {
namespace {

// As in the names of images anywhere: letters, digits, and, but for its first, '.' and '-'.
bool is_tag(std::string_view text) {
  constexpr std::size_t kLongest = 128;
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  return !text.empty() && text.size() <= kLongest && kLetters.find(text[0]) != std::string_view::npos &&
         std::ranges::all_of(
             text, [&](char c) { return c == '.' || c == '-' || kLetters.find(c) != std::string_view::npos; });
}

}  // namespace

absl::StatusOr<ImageName> parse_image_name(const std::string& text) {
  if (!text.starts_with("/"))
    return absl::InvalidArgumentError(fmt::format(
        "\"{}\": must be the absolute path, on the service's node, of a directory with an OCI image layout, "
        "as \"/srv/images/web:1.2\"",
        text));
  const std::size_t slash = text.rfind('/'), colon = text.find(':', slash);
  if (colon == std::string::npos) return ImageName{.directory = text, .tag = ""};
  ImageName name{.directory = text.substr(0, colon), .tag = text.substr(colon + 1)};
  if (!is_tag(name.tag))
    return absl::InvalidArgumentError(fmt::format(
        "\"{}\": the tag \"{}\" must be of letters, digits, '_', '.' and '-', at most 128", text, name.tag));
  return name;
}

}  // namespace gnomon::document
