#pragma once
// Which descriptors a service inherited, told from its environment and its arguments. Pure.

#include <sys/types.h>

#include <set>
#include <string>
#include <vector>

namespace gnomon::shadow {

// Of an environment block (/proc/PID/environ).
std::vector<std::string> entries_of(const std::string& block);

// The numbers of inherited descriptors: those that the environment promises (LISTEN_FDS, to the process `pid`), and
// those of `listeners` that are standard input, output or error, or that an argument or a variable of the environment
// names ("fd://3", "--fd=3", "GUNICORN_FD=5,6"). `environment` is /proc/PID/environ.
std::set<int> inherited_numbers(const std::string& environment, const std::vector<std::string>& argv, pid_t pid,
                                const std::set<int>& listeners);

inline constexpr int kFirstPromised = 3;  // SD_LISTEN_FDS_START
inline constexpr int kMostPromised = 64;  // more is no promise

}  // namespace gnomon::shadow
