#pragma once
// The TLS library that a service's processes read their connections through, and where its functions are.

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace gnomon::tls {

// The functions of OpenSSL that are probed; a library has at least the first three (SSL_read_ex came with 1.1.1).
inline constexpr std::array<std::string_view, 14> kFunctions = {
    "SSL_read",  "SSL_do_handshake",     "SSL_free",     "SSL_read_ex", "SSL_read_early_data",
    "SSL_peek",  "SSL_peek_ex",          "SSL_shutdown", "SSL_accept",  "SSL_clear",
    "SSL_write", "SSL_write_early_data", "SSL_write_ex", "SSL_sendfile"};
inline constexpr std::size_t kNeededFunctions = 3;
// What both of these call, with SSL_read_ex's arguments and result, is probed in their place where it is found.
inline constexpr std::array<std::string_view, 2> kReads = {"SSL_read", "SSL_read_ex"};
// These are probed only where responses are asked for.
inline constexpr std::array<std::string_view, 4> kWrites = {"SSL_write", "SSL_write_ex", "SSL_write_early_data",
                                                            "SSL_sendfile"};
inline constexpr char kInnerRead[] = "ssl_read_internal";

// One file: all processes that map it share its inode, and so its probes.
struct Library {
  std::string device;
  std::uint64_t inode = 0;
  std::string name;         // as its processes know it, for people: "/usr/lib/x86_64-linux-gnu/libssl.so.3"
  std::string attach_path;  // by which the kernel finds it, while the process it was found in lives
  std::map<std::string, std::uint64_t> offsets;  // function → offset in the file, bytes
};

// The OpenSSL libraries that the processes map, each once. Processes that have gone are passed over. kUnimplemented,
// with what was found instead and what to do, if there is other TLS: linked statically, or not OpenSSL's. kNotFound if
// none was found, which does not say that there is none (Rust's rustls).
absl::StatusOr<std::vector<Library>> find_libraries(const std::string& proc, const std::vector<pid_t>& pids);

}  // namespace gnomon::tls
