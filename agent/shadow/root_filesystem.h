#pragma once
// The shadow's file system: overlays over the mounts of the process that it copies, with what it writes kept in memory.

#include <sys/stat.h>

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/shadow/namespaces.h"
#include "agent/shadow/root_plan.h"
#include "common/units.h"

namespace gnomon::shadow {

// To be mounted in the shadow, parents first.
struct Bind {
  std::string source, destination;
  bool read_only = false;
};

// Everything is mounted below one directory, on one tmpfs; destroying it unmounts all of it.
class RootFilesystem {
 public:
  // Of what `view` shows. `base` is made. `writable` bounds what the shadow can write in all.
  static absl::StatusOr<RootFilesystem> build(const MountView& view, const RootPlan& plan, const std::string& base,
                                              Bytes writable);
  RootFilesystem(RootFilesystem&&) noexcept;
  RootFilesystem& operator=(RootFilesystem&&) = delete;
  ~RootFilesystem();

  std::string root() const { return base_ + "/root"; }
  std::string scratch() const { return base_; }  // in memory, not seen by the shadow
  const std::vector<Bind>& binds() const { return binds_; }

 private:
  RootFilesystem(std::string base, Bytes writable) : base_(std::move(base)), writable_(writable) {}
  absl::Status mount_scratch();
  absl::StatusOr<std::string> new_directory(const std::string& kind);
  absl::StatusOr<std::string> attach(const MountCopy& copy);
  absl::StatusOr<std::string> overlay(const MountCopy& copy, bool read_only, const std::string& target);
  absl::Status add_host_volumes(const RootPlan& plan);
  absl::Status add_volume(const Volume& volume, const MountCopy& copy);
  absl::Status add_empty(const std::string& path);
  absl::Status add_fresh(const FreshDirectory& fresh, const MountCopy& original, const std::vector<MountCopy>& carried);
  absl::Status add_file(const std::string& path, const MountCopy& copy, const struct ::stat& status);
  absl::Status put_back(const GoneFile& gone);
  absl::Status carry(const std::string& path, const MountCopy& copy, const std::string& below,
                     const std::string& place);

  std::string base_;
  Bytes writable_;
  int directories_ = 0;
  std::vector<Bind> binds_;
};

}  // namespace gnomon::shadow
