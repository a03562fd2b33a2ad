#pragma once
// What docs/kernel-support.md says of the kernel that runs: a program that loads there by the document and does not is
// a failure, where a skip would hide it.

#include <sys/utsname.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace gnomon::kernel_support {

// "6.12" of the kernel that runs.
inline std::string running() {
  utsname name{};
  ::uname(&name);
  const std::string release = name.release;
  return release.substr(0, release.find_first_not_of("0123456789", release.find('.') + 1));
}

inline std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream text(line);
  for (std::string cell; std::getline(text, cell, '|');) {
    const auto begin = cell.find_first_not_of(' ');
    cells.push_back(begin == std::string::npos ? "" : cell.substr(begin, cell.find_last_not_of(' ') + 1 - begin));
  }
  return cells;
}

// The cell of the row that begins with `row` in the table of what loads, by kernel ("6.12"); nullopt if there is none.
inline std::optional<std::string> documented(std::string_view row, std::string_view kernel) {
  std::ifstream document(GNOMON_SOURCE_DIR "/docs/kernel-support.md");
  std::size_t column = 0;
  for (std::string line; std::getline(document, line);) {
    const std::vector<std::string> said = cells(line);
    if (said.size() < 2) continue;
    if (said[1] == "by kernel")
      for (std::size_t i = 2; i < said.size(); ++i) column = said[i] == kernel ? i : column;
    if (column != 0 && said.size() > column && said[1].starts_with("`" + std::string(row) + "`")) return said[column];
  }
  return std::nullopt;
}

// Whether the running kernel has it by the document.
inline bool is_documented(std::string_view row) {
  const std::optional<std::string> said = documented(row, running());
  return said && *said != "no" && *said != "none" && *said != "varies";
}

}  // namespace gnomon::kernel_support

// Skips the test for `reason`, the kernel's, if by the document it may: what `row` names is not there.
#define GNOMON_SKIP_WITHOUT(row, reason)                                                                            \
  do {                                                                                                              \
    if (::gnomon::kernel_support::is_documented(row))                                                               \
      FAIL() << "docs/kernel-support.md says that this kernel has `" << (row) << "`, which it lacks: " << (reason); \
    GTEST_SKIP() << (reason);                                                                                       \
  } while (false)
