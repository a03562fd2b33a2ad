#include "agent/shadow/root_filesystem.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "common/log.h"
#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::shadow {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKeptDirectories = 256;
constexpr unsigned long kOverlayFlags = MS_NOSUID | MS_NODEV;

std::string through(const UniqueFd& fd) {
  return fmt::format("/proc/self/fd/{}", fd.get());
}

absl::Status make_directory(const std::string& path, mode_t mode = 0755) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return errno_status(path);
  return absl::OkStatus();
}

// Takes owner and mode over, which mkdir and open leave to the caller's umask.
absl::Status take_over(const std::string& path, const struct stat& from) {
  if (::lchown(path.c_str(), from.st_uid, from.st_gid) != 0 || ::chmod(path.c_str(), from.st_mode & 07777) != 0)
    return errno_status(path);
  return absl::OkStatus();
}

// The directories below `from` again, empty, `levels` deep: services expect those that their package or unit made for
// them.
absl::Status keep_directories(const std::string& from, const std::string& to, int levels, std::size_t* kept) {
  std::error_code error;
  for (fs::directory_iterator entry(from + "/", error), end; !error && entry != end; entry.increment(error)) {
    struct stat status {};
    if (::lstat(entry->path().c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) continue;
    if (++*kept > kKeptDirectories) return absl::OkStatus();
    const std::string copy = to + "/" + entry->path().filename().string();
    RETURN_IF_ERROR(make_directory(copy));
    RETURN_IF_ERROR(take_over(copy, status));
    if (levels > 1) RETURN_IF_ERROR(keep_directories(entry->path().string(), copy, levels - 1, kept));
  }
  return absl::OkStatus();
}

absl::Status copy_file(const UniqueFd& from, const std::string& to, const struct stat& status) {
  const UniqueFd in(::open(through(from).c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd out(::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!in.valid() || !out.valid()) return errno_status(to);
  char buffer[1 << 16];
  ssize_t length = 0;
  while ((length = ::read(in.get(), buffer, sizeof buffer)) > 0)
    if (::write(out.get(), buffer, static_cast<std::size_t>(length)) != length) return errno_status(to);
  if (length < 0) return errno_status(to);
  return take_over(to, status);
}

// What is not there, or not to be reached, the process cannot be using by that path.
bool absent(const MountCopy& copy) {
  return copy.error == ENOENT || copy.error == ENOTDIR || copy.error == ELOOP || copy.error == ENAMETOOLONG;
}

}  // namespace

RootFilesystem::RootFilesystem(RootFilesystem&& other) noexcept
    : base_(std::exchange(other.base_, "")),
      writable_(other.writable_),
      directories_(other.directories_),
      binds_(std::move(other.binds_)) {}

RootFilesystem::~RootFilesystem() {
  if (base_.empty()) return;
  ::umount2(base_.c_str(), MNT_DETACH);  // with all that is mounted below it
  ::rmdir(base_.c_str());
}

absl::StatusOr<RootFilesystem> RootFilesystem::build(const MountView& view, const RootPlan& plan,
                                                     const std::string& base, Bytes writable) {
  RootFilesystem root(base, writable);
  RETURN_IF_ERROR(root.mount_scratch());

  std::vector<std::string> paths{"/"};
  for (const Volume& volume : plan.volumes)
    if (volume.source.empty()) paths.push_back(volume.path);
  for (const FreshDirectory& fresh : plan.fresh) {
    paths.push_back(fresh.path);
    paths.insert(paths.end(), fresh.carried.begin(), fresh.carried.end());
  }
  ASSIGN_OR_RETURN(std::vector<MountCopy> copies, copy_mounts(view, paths));
  if (copies[0].error != 0) return errno_status(copies[0].error, "copying the root mount");
  RETURN_IF_ERROR(root.overlay(copies[0], false, root.root()).status());

  std::size_t next = 1;
  for (const Volume& volume : plan.volumes)
    if (volume.source.empty()) RETURN_IF_ERROR(root.add_volume(volume, copies[next++]));
  RETURN_IF_ERROR(root.add_host_volumes(plan));
  for (const FreshDirectory& fresh : plan.fresh) {
    const MountCopy original = std::move(copies[next++]);
    std::vector<MountCopy> carried;
    for (std::size_t i = 0; i < fresh.carried.size(); ++i) carried.push_back(std::move(copies[next++]));
    if (!absent(original))
      RETURN_IF_ERROR(root.add_fresh(fresh, original, carried));
    else if (fresh.made)
      RETURN_IF_ERROR(root.add_empty(fresh.path));
  }
  for (const GoneFile& gone : plan.gone) RETURN_IF_ERROR(root.put_back(gone));
  std::stable_sort(root.binds_.begin(), root.binds_.end(),
                   [](const Bind& a, const Bind& b) { return a.destination < b.destination; });
  return root;
}

absl::Status RootFilesystem::mount_scratch() {
  RETURN_IF_ERROR(make_directory(base_, 0700));
  const std::string options = fmt::format("mode=0700,size={}", writable_.value);
  if (::mount("gnomon", base_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0 ||
      ::mount(nullptr, base_.c_str(), nullptr, MS_PRIVATE, nullptr) != 0)
    return errno_status(fmt::format("mounting a tmpfs at {}", base_));
  return make_directory(root());
}

absl::StatusOr<std::string> RootFilesystem::new_directory(const std::string& kind) {
  std::string path = fmt::format("{}/{}-{}", base_, kind, directories_++);
  RETURN_IF_ERROR(make_directory(path));
  return path;
}

absl::StatusOr<std::string> RootFilesystem::attach(const MountCopy& copy) {
  ASSIGN_OR_RETURN(std::string place, new_directory("original"));
  if (::move_mount(copy.fd.get(), "", AT_FDCWD, place.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
    return errno_status("attaching a copy of a mount");
  // The copy of a shared mount is its peer: nothing that happens here may reach the original.
  if (::mount(nullptr, place.c_str(), nullptr, MS_PRIVATE, nullptr) != 0) return errno_status(place);
  return place;
}

absl::StatusOr<std::string> RootFilesystem::overlay(const MountCopy& copy, bool read_only, const std::string& target) {
  ASSIGN_OR_RETURN(const std::string lower, attach(copy));
  ASSIGN_OR_RETURN(const std::string layers, new_directory("layers"));
  RETURN_IF_ERROR(make_directory(layers + "/upper"));
  RETURN_IF_ERROR(make_directory(layers + "/work"));
  struct stat status {};
  if (::stat(lower.c_str(), &status) != 0) return errno_status(lower);
  RETURN_IF_ERROR(take_over(layers + "/upper", status));  // the upper directory's is what the merged root shows
  // So that directories can be renamed as on other file systems, and changing a large file's owner or mode does not
  // copy it into memory.
  const std::string options =
      fmt::format("redirect_dir=on,metacopy=on,lowerdir={},upperdir={}/upper,workdir={}/work", lower, layers, layers);
  if (::mount("gnomon", target.c_str(), "overlay", kOverlayFlags | (read_only ? MS_RDONLY : 0), options.c_str()) != 0) {
    return errno_status(
        "mounting an overlay over a file system of the instance (needs overlayfs; at most two overlays can be stacked: "
        "an instance whose own root is an overlay over an overlay cannot be shadowed)");
  }
  return target;
}

absl::Status RootFilesystem::add_host_volumes(const RootPlan& plan) {
  std::vector<Volume> volumes;
  std::vector<std::string> sources;
  for (const Volume& volume : plan.volumes) {
    if (volume.source.empty()) continue;
    volumes.push_back(volume);
    sources.push_back(volume.source);
  }
  if (volumes.empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(const MountView host, view_below("/"));
  ASSIGN_OR_RETURN(const std::vector<MountCopy> copies, copy_mounts(host, sources));
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    if (copies[i].error != 0) return errno_status(copies[i].error, fmt::format("the mount's source {}", sources[i]));
    RETURN_IF_ERROR(add_volume(volumes[i], copies[i]));
  }
  return absl::OkStatus();
}

absl::Status RootFilesystem::add_volume(const Volume& volume, const MountCopy& copy) {
  if (absent(copy)) return absl::OkStatus();  // hidden by a mount above it
  if (copy.error != 0) return errno_status(copy.error, fmt::format("copying the mount at {}", volume.path));
  struct stat status {};
  if (::fstat(copy.fd.get(), &status) != 0) return errno_status(volume.path);
  if (S_ISREG(status.st_mode)) return add_file(volume.path, copy, status);
  // A socket would lead out of the shadow (a container runtime's, for one).
  if (!S_ISDIR(status.st_mode)) {
    spdlog::info("shadow: {} is no file or directory: left out", volume.path);
    binds_.push_back({"/dev/null", volume.path, true});
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const std::string target, new_directory("volume"));
  const auto merged = overlay(copy, volume.read_only, target);
  // As it is, not even read-only, it could not be shown: sockets in it lead to production.
  if (!merged.ok())
    spdlog::warn("shadow: the volume {} is empty in it: {}", volume.path, std::string(merged.status().message()));
  binds_.push_back({target, volume.path, !merged.ok()});
  return absl::OkStatus();
}

// A copy, not a bind of the file itself: even a read-only descriptor of that could lock it against production.
absl::Status RootFilesystem::add_file(const std::string& path, const MountCopy& copy, const struct stat& status) {
  ASSIGN_OR_RETURN(const std::string directory, new_directory("file"));
  const std::string file = directory + "/file";
  if (static_cast<std::uint64_t>(status.st_size) <= writable_.value / 4) {
    RETURN_IF_ERROR(copy_file(copy.fd, file, status));
  } else {
    spdlog::warn("shadow: {} is empty in it: too large to copy into its memory limit", path);
    if (!UniqueFd(::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0400)).valid()) return errno_status(file);
    RETURN_IF_ERROR(take_over(file, status));
  }
  binds_.push_back({file, path, false});
  return absl::OkStatus();
}

absl::Status RootFilesystem::add_empty(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string place, new_directory("fresh"));
  if (::chmod(place.c_str(), 01777) != 0) return errno_status(place);
  binds_.push_back({place, path, false});
  return absl::OkStatus();
}

absl::Status RootFilesystem::add_fresh(const FreshDirectory& fresh, const MountCopy& original,
                                       const std::vector<MountCopy>& carried) {
  if (original.error != 0) return errno_status(original.error, fmt::format("reading {}", fresh.path));
  struct stat status {};
  if (::fstat(original.fd.get(), &status) != 0) return errno_status(fresh.path);
  if (!S_ISDIR(status.st_mode)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string place, new_directory("fresh"));
  binds_.push_back({place, fresh.path, false});
  if (fresh.whole) return overlay(original, false, place).status();
  RETURN_IF_ERROR(take_over(place, status));
  std::size_t kept = 0;
  if (fresh.keeps_directories) RETURN_IF_ERROR(keep_directories(through(original.fd), place, 2, &kept));
  for (std::size_t i = 0; i < carried.size(); ++i) {
    const std::string below = fresh.carried[i].substr(fresh.path.size());  // "/user/part"
    // What is between, with its owner: a user's home.
    for (std::size_t slash = below.find('/', 1); slash != std::string::npos; slash = below.find('/', slash + 1)) {
      const std::string between = below.substr(0, slash);
      if (::fstatat(original.fd.get(), between.c_str() + 1, &status, AT_SYMLINK_NOFOLLOW) != 0) break;
      RETURN_IF_ERROR(make_directory(place + between));
      RETURN_IF_ERROR(take_over(place + between, status));
    }
    RETURN_IF_ERROR(carry(fresh.carried[i], carried[i], below, place));
  }
  return absl::OkStatus();
}

absl::Status RootFilesystem::put_back(const GoneFile& gone) {
  const UniqueFd source(::open(gone.source.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!source.valid() || ::fstat(source.get(), &status) != 0)
    return errno_status(fmt::format("{}, which was removed or replaced while it ran", gone.path));
  if (static_cast<std::uint64_t>(status.st_size) > writable_.value / 2) {
    return absl::ResourceExhaustedError(fmt::format(
        "{} was removed or replaced while it ran, and what it was ({}) has to fit into half of what its "
        "shadow may write ({}): raise the shadow's memory or restart the service",
        gone.path, format_bytes(Bytes{static_cast<std::uint64_t>(status.st_size)}), format_bytes(writable_)));
  }
  ASSIGN_OR_RETURN(const std::string directory, new_directory("gone"));
  RETURN_IF_ERROR(copy_file(source, directory + "/file", status));
  binds_.push_back({directory + "/file", gone.path, true});
  return absl::OkStatus();
}

absl::Status RootFilesystem::carry(const std::string& path, const MountCopy& copy, const std::string& below,
                                   const std::string& place) {
  if (absent(copy)) return absl::OkStatus();
  if (copy.error != 0) return errno_status(copy.error, fmt::format("reading {}", path));
  struct stat status {};
  if (::fstat(copy.fd.get(), &status) != 0) return errno_status(path);
  if (S_ISREG(status.st_mode)) {
    if (static_cast<std::uint64_t>(status.st_size) <= writable_.value / 4)
      return copy_file(copy.fd, place + below, status);  // a file that may be renamed and written
    return add_file(path, copy, status);
  }
  if (!S_ISDIR(status.st_mode)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::string target, new_directory("carried"));
  RETURN_IF_ERROR(overlay(copy, false, target).status());
  binds_.push_back({target, path, false});
  return absl::OkStatus();
}

}  // namespace gnomon::shadow
