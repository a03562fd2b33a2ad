#pragma once
// Text into HTML.

#include <string>
#include <string_view>

namespace gnomon::cli {

// For element content and quoted attributes; control characters other than newline and tab become '?'.
std::string escape_html(std::string_view text);

}  // namespace gnomon::cli
