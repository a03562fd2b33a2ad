#pragma once
// What a process has mapped, from the text of /proc/PID/maps. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gnomon::tls {

// One mapping of a file.
struct Mapping {
  std::uint64_t begin = 0, end = 0;  // addresses in the process
  std::uint64_t offset = 0;          // of `begin` in the file, bytes
  bool executable = false;
  std::string device;  // "08:01"
  std::uint64_t inode = 0;
  std::string path;      // in the process's own mount namespace
  bool deleted = false;  // the file has no name any more
  std::string_view file_name() const;
};

// The mappings of files, in the order of the text. Lines of another form (anonymous memory, "[stack]") are left out.
std::vector<Mapping> parse_maps(std::string_view text);

}  // namespace gnomon::tls
