#include "agent/shadow/unpacked_image.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <vector>

#include "agent/shadow/cgroups.h"
#include "agent/shadow/image_layout.h"
#include "agent/shadow/limits.h"
#include "agent/shadow/state.h"
#include "agent/shadow/tool.h"
#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::shadow {
namespace {

constexpr char kTag[] = "image";  // in the layout of our own
constexpr std::chrono::seconds kLongest{120};
constexpr Bytes kForUmoci{64u << 20};  // its own memory
// How much memory is set aside of what is free: more than layers grow to when they are unpacked, as a rule. An image
// that is made to grow without end stops there.
constexpr std::uint64_t kGrowth = 10;
constexpr Bytes kAtLeast{16u << 20};
constexpr char kOnADisk[] =
    "raise --budget-memory, or unpack it onto a disk (umoci unpack) and name that as shadow.bundle";

// The cgroup that umoci runs in: bounded, and below the agent's, which a sweep goes by.
class Cgroup {
 public:
  static absl::StatusOr<std::unique_ptr<Cgroup>> make(const std::string& path, MilliCpu cpu, Bytes memory) {
    std::unique_ptr<Cgroup> cgroup(new Cgroup);
    for (const Hierarchy& hierarchy : hierarchies(kCgroupRoot)) {
      const std::string directory = hierarchy.mount + path;
      if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) return errno_status(directory);
      cgroup->directories_.push_back(directory);
      // In v1 one of cpusets takes no process before it is given processors.
      if (::access((directory + "/cpuset.cpus").c_str(), F_OK) != 0 || hierarchy.v2)
        cgroup->joined_.push_back(directory);
    }
    Limits limits;
    limits.cpu = cpu;
    limits.memory = memory;
    RETURN_IF_ERROR(set_limits(kCgroupRoot, path, limits));
    return cgroup;
  }
  ~Cgroup() {
    (void)kill_and_wait(cgroup_processes(directories_));  // there is none by now, as a rule
    (void)remove_cgroups(directories_);                   // one that stays is for the sweep
  }
  const std::vector<std::string>& joined() const { return joined_; }

 private:
  std::vector<std::string> directories_, joined_;
};

// Of this one image alone, whose blobs stay where they are: nothing is written to the image's own directory, and what
// was checked is what is unpacked.
absl::Status write_layout(const std::string& directory, const std::string& original, const Descriptor& manifest) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  std::filesystem::create_directory_symlink(original + "/blobs", directory + "/blobs", error);
  if (error) return errno_status(error.value(), directory);
  std::ofstream version(directory + "/oci-layout"), index(directory + "/index.json");
  if (!(version << R"({"imageLayoutVersion":"1.0.0"})" << std::flush) ||
      !(index << index_of(manifest, kTag) << std::flush))
    return errno_status(directory);
  return absl::OkStatus();
}

absl::StatusOr<Bytes> used(const std::string& directory) {
  struct statvfs status {};
  if (::statvfs(directory.c_str(), &status) != 0) return errno_status(directory);
  return Bytes{(status.f_blocks - status.f_bfree) * status.f_frsize};
}

// umoci removes what it has unpacked when it fails: only its words tell. SIGKILL comes of the limit of its cgroup.
bool was_full(const absl::Status& unpacked) {
  const std::string_view said(unpacked.message().data(), unpacked.message().size());
  return said.find("no space left on device") != std::string_view::npos ||
         said.find("ended with signal 9") != std::string_view::npos;
}

// For what is unpacked, and for umoci itself.
absl::StatusOr<std::unique_ptr<Reservation>> set_aside(Bytes layers, Ledger& ledger) {
  const Bytes least{layers.value + kForUmoci.value}, free = ledger.free().memory;
  const Bytes wanted =
      free < least ? least : Bytes{std::min(free.value, layers.value * kGrowth + kAtLeast.value + kForUmoci.value)};
  auto reservation = ledger.reserve({MilliCpu{0}, wanted});
  if (reservation.ok()) return reservation;
  return absl::ResourceExhaustedError(
      fmt::format("it is unpacked into memory, of which it needs more than {}, and {} of the node's shadow budget are "
                  "free: {}",
                  format_bytes(least), format_bytes(free), kOnADisk));
}

}  // namespace

absl::StatusOr<std::string> find_umoci() {
  std::string umoci = find_program("umoci");
  if (umoci.empty()) return absl::NotFoundError("umoci is not installed, which unpacks images: apt-get install umoci");
  return umoci;
}

absl::StatusOr<std::unique_ptr<UnpackedImage>> UnpackedImage::unpack(const document::ImageName& name,
                                                                     const Place& place, Ledger& ledger) {
  const std::string who = fmt::format("shadow.image: \"{}\"", name.text());
  const auto found = find_image(name, own_architecture());
  if (!found.ok()) return annotate(found.status(), who);
  const auto umoci = find_umoci();
  if (!umoci.ok()) return annotate(umoci.status(), who);
  auto reservation = set_aside(found->layers, ledger);
  if (!reservation.ok()) return annotate(reservation.status(), who);
  const Bytes most{(*reservation)->taken().memory.value - kForUmoci.value};

  std::unique_ptr<UnpackedImage> image(new UnpackedImage(place.directory, *std::move(reservation)));
  absl::Status made = image->mount(most);
  if (made.ok()) made = write_layout(place.directory + "/layout", name.directory, found->manifest);
  if (made.ok()) made = image->fill(*umoci, place);
  if (made.ok()) made = image->keep_what_it_takes();
  if (!made.ok()) return annotate(made, who);
  return image;
}

UnpackedImage::~UnpackedImage() {
  ::umount2(directory_.c_str(), MNT_DETACH);
  ::rmdir(directory_.c_str());
}

absl::Status UnpackedImage::mount(Bytes most) const {
  if (::mkdir(directory_.c_str(), 0700) != 0 && errno != EEXIST) return errno_status(directory_);
  const std::string options = fmt::format("mode=0700,size={}", most.value);
  if (::mount("gnomon", directory_.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0 ||
      ::mount(nullptr, directory_.c_str(), nullptr, MS_PRIVATE, nullptr) != 0)
    return errno_status(fmt::format("mounting a tmpfs at {}", directory_));
  return absl::OkStatus();
}

absl::Status UnpackedImage::fill(const std::string& umoci, const Place& place) const {
  const Bytes all = reservation_->taken().memory;
  ASSIGN_OR_RETURN(const auto cgroup, Cgroup::make(place.cgroup, place.cpu, all));
  const absl::Status unpacked =
      run_tool({.argv = {umoci, "unpack", "--image", fmt::format("{}/layout:{}", directory_, kTag), bundle()},
                .cgroups = cgroup->joined(),
                .longest = kLongest,
                .stop = place.stop});
  if (unpacked.ok() || absl::IsCancelled(unpacked)) return unpacked;
  if (was_full(unpacked))
    return absl::ResourceExhaustedError(fmt::format("it is unpacked into memory, and does not fit into {}: {}",
                                                    format_bytes(Bytes{all.value - kForUmoci.value}), kOnADisk));
  if (absl::IsDeadlineExceeded(unpacked))
    return annotate(unpacked, "unpack it onto a disk beforehand (umoci unpack), and name that as shadow.bundle");
  return unpacked;
}

// Nobody writes to it any more: what is left of the memory that was set aside goes back.
absl::Status UnpackedImage::keep_what_it_takes() const {
  ASSIGN_OR_RETURN(const Bytes taken, used(directory_));
  if (::mount(nullptr, directory_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, nullptr) != 0)
    return errno_status(fmt::format("remounting {}", directory_));
  return reservation_->resize({MilliCpu{0}, taken});
}

}  // namespace gnomon::shadow
