#pragma once
// Owner of the programs that copy the beginnings of responses: there while a slot asks for them.

#include <bpf/libbpf.h>

#include <memory>
#include <set>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/probe/share_maps.h"
#include "bpf/abi/response.h"
#include "common/units.h"

struct response_bpf;

namespace gnomon::probe {

// Not thread-safe. Everything is detached when it goes, and by the kernel when the process dies.
class ResponseProbe {
 public:
  // Loads the programs onto the maps of `tap`, which must be loaded and live longer. kFailedPrecondition, with the
  // kernel's reason, where it lets nothing see what a service sends while that is there.
  static absl::StatusOr<std::unique_ptr<ResponseProbe>> load(bpf_object* tap, Ring ring);
  ~ResponseProbe();

  // Of each response on the slot's sampled connections, at most so many bytes are copied from now on; 0: none.
  absl::Status set_bound(std::uint32_t slot, Bytes bound);
  // Since it was loaded, over all processors.
  absl::StatusOr<response_counters> totals(std::uint32_t slot) const;

 private:
  struct LinkDeleter {
    void operator()(bpf_link* link) const { bpf_link__destroy(link); }
  };
  using LinkPtr = std::unique_ptr<bpf_link, LinkDeleter>;
  struct SkeletonDeleter {
    void operator()(response_bpf* skeleton) const;
  };
  using SkeletonPtr = std::unique_ptr<response_bpf, SkeletonDeleter>;

  ResponseProbe(SkeletonPtr skeleton, const char* send);
  static absl::StatusOr<SkeletonPtr> load_with(const char* send, bpf_object* tap, Ring ring);

  SkeletonPtr skeleton_;
  const char* const send_;  // the program that sees what is sent
  std::vector<LinkPtr> links_;
  std::set<std::uint32_t> slots_;  // that ask
};

}  // namespace gnomon::probe
