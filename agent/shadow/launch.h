#pragma once
// How a running process was started, read from /proc: enough to start the same again.

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace gnomon::shadow {

struct ResourceLimit {
  std::string type;  // "RLIMIT_NOFILE"
  std::uint64_t soft = 0, hard = 0;
};

// A file that the process runs and that its path does not lead to any more: removed, replaced, or never there (memfd).
struct GoneFile {
  std::string path;    // where the shadow finds it
  std::string source;  // below /proc
};

struct Launch {
  std::string executable;         // paths are as the process itself sees them, below its own root
  std::vector<std::string> argv;  // argv[0] included
  std::vector<std::string> environment;
  std::string directory;  // working directory
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  unsigned umask = 022;
  std::vector<ResourceLimit> limits;
  std::vector<std::string> capabilities;           // effective, of those that cannot reach beyond a shadow: "CAP_CHOWN"
  std::vector<std::string> bounding_capabilities;  // the same for the bounding set
  std::vector<std::string> mapped_files;           // executable mappings: the program and its libraries
  std::vector<GoneFile> gone_files;
};

// Errors: the process has gone, its working directory was deleted, or it has overwritten its command line by a text
// that the arguments cannot be recovered from.
absl::StatusOr<Launch> read_launch(const std::string& proc, pid_t pid);

// Only what it may: its limits and its capabilities.
void read_allowances(const std::string& proc, pid_t pid, Launch* launch);

inline constexpr char kNamelessExecutable[] = "/.gnomon-executable";  // where a program that had no path is

// The arguments in /proc/PID/cmdline. A process that overwrote them leaves one text; that of a daemon which
// puts its original command after a title ("nginx: master process /usr/sbin/nginx -c a.conf -g daemon off;") is taken
// apart: tokens end at spaces, and the values of the options that nginx knows reach to the next of these options.
absl::StatusOr<std::vector<std::string>> recover_argv(const std::string& cmdline);

// What of /proc/PID/maps is executable: into mapped_files and gone_files. `directory` is
// /proc/PID, `root` the prefix of its paths.
void executable_mappings(const std::string& maps, const std::string& directory, const std::string& root,
                         Launch* launch);

// Capabilities of the bit mask that are safe inside of a shadow.
std::vector<std::string> safe_capabilities(std::uint64_t mask);

// What of an environment block is handed on: well-formed NAME=value, without what addresses the original's supervisor.
std::vector<std::string> clean_environment(const std::string& block);

}  // namespace gnomon::shadow
