#pragma once
// Objects of programs beside the tap's own, which work on its maps.

#include <bpf/libbpf.h>

#include <span>
#include <string_view>

namespace gnomon::probe {

// Of a probe's rings, as its programs are told before loading.
struct Ring {
  std::uint32_t bytes = 0, wake_bytes = 0, hot_wake_bytes = 0;
};

// Puts the tap's maps in the place of the object's, but for those named in `own`. To be called before loading. Returns
// a negative errno value on failure.
int share_maps(bpf_object* object, bpf_object* tap, std::span<const std::string_view> own = {});

}  // namespace gnomon::probe
