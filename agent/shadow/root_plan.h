#pragma once
// What a shadow sees of the file system of the process that it copies. Pure: decided from texts, before anything is
// mounted.

#include <string>
#include <vector>

#include "agent/shadow/launch.h"

namespace gnomon::shadow {

// A directory that starts empty in the shadow (temporary files, sockets, homes), but for what the process needs of it.
struct FreshDirectory {
  std::string path;
  bool whole = false;                // the process works in the directory itself: all of it is there, in an overlay
  bool keeps_directories = false;    // its first two levels of directories are made again, empty, with their owners
  std::vector<std::string> carried;  // paths below it
  bool made = false;                 // also where there is none
};

// Another file system mounted below the root.
struct Volume {
  std::string path;
  bool read_only = false;
  std::string source = {};  // where it comes from on the host; empty: it is the process's own at this path
};

struct RootPlan {
  std::vector<FreshDirectory> fresh;
  std::vector<Volume> volumes;      // parents before what is mounted in them
  std::vector<std::string> masked;  // secrets, and other services' data
  std::vector<GoneFile> gone;       // put back
};

// `mountinfo` is /proc/PID/mountinfo: its paths are relative to the process's root.
RootPlan plan_root(const Launch& launch, const std::string& mountinfo);

// Whether `path` is `directory` or below it.
bool is_within(const std::string& path, const std::string& directory);

}  // namespace gnomon::shadow
