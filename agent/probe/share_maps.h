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

// `rodata`: of the programs of such an object, before loading.
template <class Rodata>
void tell_ring(Rodata& rodata, const Ring& ring) {
  rodata.ring_bytes = ring.bytes;
  rodata.wake_bytes = ring.wake_bytes;
  rodata.hot_wake_bytes = ring.hot_wake_bytes;
}

// Puts the tap's maps in the place of the object's, but for those named in `own`. To be called before loading. Returns
// a negative errno value on failure.
int share_maps(bpf_object* object, bpf_object* tap, std::span<const std::string_view> own = {});

}  // namespace gnomon::probe
