#pragma once
// Changes to a session that runs: what of its specification they replace, and which pairs of blocks can be compared no
// more. Errors name the field.

#include "absl/status/status.h"
#include "gnomon/v1/control.pb.h"

namespace gnomon::session {

// Replaces the profile's noise. Pairs whose treatment may have begun have the former noise (their pair becomes -1).
absl::Status change_noise(const v1::NoiseParameters& noise, const v1::SessionStatus& status, v1::SessionSpec& spec);

// Replaces those of the shadow's resources that are set. Pairs that may have begun have the former ones in a block.
absl::Status change_resources(const v1::ResourceAllocation& resources, const v1::SessionStatus& status,
                              v1::SessionSpec& spec);

}  // namespace gnomon::session
