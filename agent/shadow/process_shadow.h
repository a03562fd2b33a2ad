#pragma once
// One shadow of a live process.

#include <memory>
#include <string>

#include "agent/shadow/ledger.h"
#include "agent/shadow/shadow.h"
#include "agent/shadow/state.h"
#include "agent/shadow/unpacked_image.h"

namespace gnomon::shadow {

// What the shadows of one agent share.
struct Home {
  std::shared_ptr<StateDirectory> state;
  std::string oci_runtime, init;  // programs
};

// Copies spec.instance and starts the copy, or starts `image` if there is one. `writable` is what it can write at most;
// `reservation`, which includes it, and the image are dropped when everything of the shadow has been removed.
absl::StatusOr<std::unique_ptr<Shadow>> start_shadow(const Home& home, const Spec& spec, Bytes writable,
                                                     std::unique_ptr<Reservation> reservation,
                                                     std::unique_ptr<UnpackedImage> image);

}  // namespace gnomon::shadow
