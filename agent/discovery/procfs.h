#pragma once
// What /proc says about processes, as types. A process may vanish between two looks: then a reader returns nothing.

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gnomon::discovery {

struct Process {
  pid_t pid = 0;
  pid_t parent = 0;
  std::uint64_t start_ticks = 0;  // field 22 of /proc/PID/stat
  std::string name;               // comm: at most 15 characters
};

using ProcessTable = std::map<pid_t, Process>;

// The whole file, or nothing if it cannot be read.
std::optional<std::string> read_file(const std::string& path);

// Where a symbolic link points to, or nothing.
std::optional<std::string> read_link(const std::string& path);

// The value of a "Name:\tvalue" line of a /proc file, without the white space around it; empty if there is no such
// line.
std::string field_of(const std::string& text, const std::string& name);

// The names of a directory's entries that are numbers, ascending: pids, threads, descriptors.
std::vector<int> numbered_entries(const std::string& directory);

std::optional<Process> read_process(const std::string& proc, pid_t pid);

ProcessTable all_processes(const std::string& proc);

// The inode of a namespace of the process ("net", "mnt", …); 0 if it cannot be read.
std::uint64_t namespace_of(const std::string& proc, pid_t pid, const std::string& kind);

// The number in a link of the form "kind:[number]"; 0 if it is of another form.
std::uint64_t inode_in_link(const std::string& link, const std::string& kind);

}  // namespace gnomon::discovery
