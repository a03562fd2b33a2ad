#include "agent/probe/share_maps.h"

#include <algorithm>
#include <cerrno>

namespace gnomon::probe {

int share_maps(bpf_object* object, bpf_object* tap, std::span<const std::string_view> own) {
  bpf_map* map = nullptr;
  bpf_object__for_each_map(map, object) {
    const std::string_view name = bpf_map__name(map);
    if (bpf_map__is_internal(map) || std::ranges::count(own, name) > 0) continue;
    const bpf_map* const of_tap = bpf_object__find_map_by_name(tap, bpf_map__name(map));
    if (!of_tap) return -ENOENT;
    if (const int result = bpf_map__reuse_fd(map, bpf_map__fd(of_tap)); result != 0) return result;
  }
  return 0;
}

}  // namespace gnomon::probe
