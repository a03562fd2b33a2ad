#pragma once
// An OCI image, unpacked into memory for as long as a shadow of it runs.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/shadow/ledger.h"
#include "document/image_name.h"

namespace gnomon::shadow {

// The program that unpacks: its path; kNotFound with the remedy.
absl::StatusOr<std::string> find_umoci();

// On a tmpfs of its own in the agent's mount namespace, so that nothing is left of it where the agent is killed. What
// it takes counts against the node's budget; umoci runs within the agent's cgroup.
class UnpackedImage {
 public:
  struct Place {
    std::string directory;  // made, and removed again
    std::string cgroup;     // the path of one that umoci is run in, made and removed again
    MilliCpu cpu;           // that it may use
    int stop = -1;          // readable: it is not waited for any longer
  };
  // Takes up to two minutes. Errors name the field, the image and the remedy: kInvalidArgument and kNotFound where the
  // image is wrong, kResourceExhausted if it does not fit into the budget, kDeadlineExceeded, kCancelled.
  static absl::StatusOr<std::unique_ptr<UnpackedImage>> unpack(const document::ImageName& name, const Place& place,
                                                               Ledger& ledger);
  ~UnpackedImage();
  UnpackedImage(const UnpackedImage&) = delete;
  UnpackedImage& operator=(const UnpackedImage&) = delete;

  std::string bundle() const { return directory_ + "/bundle"; }

 private:
  UnpackedImage(std::string directory, std::unique_ptr<Reservation> reservation)
      : directory_(std::move(directory)), reservation_(std::move(reservation)) {}
  absl::Status mount(Bytes most) const;
  absl::Status fill(const std::string& umoci, const Place& place) const;
  absl::Status keep_what_it_takes() const;

  const std::string directory_;
  const std::unique_ptr<Reservation> reservation_;
};

}  // namespace gnomon::shadow
