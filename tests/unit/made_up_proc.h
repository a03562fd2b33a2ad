#pragma once
// A /proc and a /sys/fs/cgroup of files that a test made.

#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace gnomon {

class MadeUpProc {
 public:
  MadeUpProc() {
    std::string pattern = std::filesystem::temp_directory_path().string() + "/made-up-proc-XXXXXX";
    root_ = ::mkdtemp(pattern.data());
  }
  ~MadeUpProc() {
    std::error_code error;
    std::filesystem::remove_all(root_, error);
  }
  MadeUpProc(const MadeUpProc&) = delete;
  MadeUpProc& operator=(const MadeUpProc&) = delete;

  std::string proc() const { return root_ + "/proc"; }
  std::string cgroup() const { return root_ + "/cgroup"; }

  void file(const std::string& path, const std::string& text) const {
    const std::filesystem::path where(root_ + "/" + path);
    std::filesystem::create_directories(where.parent_path());
    std::ofstream(where) << text;
  }

  void link(const std::string& path, const std::string& target) const {
    const std::filesystem::path where(root_ + "/" + path);
    std::filesystem::create_directories(where.parent_path());
    std::filesystem::create_symlink(target, where);
  }

  void process(int pid, int parent, const std::string& name, std::uint64_t start = 100, std::uint64_t netns = 1) const {
    const std::string directory = "proc/" + std::to_string(pid);
    file(directory + "/stat", std::to_string(pid) + " (" + name + ") S " + std::to_string(parent) +
                                  " 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 " + std::to_string(start) + " 0 0\n");
    file(directory + "/status", "Name:\t" + name + "\nCpus_allowed_list:\t0-1,4\n");
    file(directory + "/cgroup", "0::/\n");
    file(directory + "/statm", "1000 300 100 0 0 0 0\n");
    file(directory + "/net/tcp", kHeading);
    link(directory + "/ns/net", "net:[" + std::to_string(netns) + "]");
  }

  void socket(int pid, int fd, std::uint64_t inode) const {
    link("proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd), "socket:[" + std::to_string(inode) + "]");
  }

  // `local` as the kernel prints it: "0100007F:1F90"; state "0A" listens.
  static std::string row(const std::string& local, const std::string& state, std::uint64_t inode) {
    return "   0: " + local + " 00000000:0000 " + state + " 00000000:00000000 00:00000000 00000000     0        0 " +
           std::to_string(inode) + " 1 0000000000000000 100 0 0 10 0\n";
  }

  static constexpr char kHeading[] =
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

 private:
  std::string root_;
};

}  // namespace gnomon
