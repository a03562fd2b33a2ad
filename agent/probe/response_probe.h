#pragma once
// Owner of the programs that copy the beginnings of responses: there while a slot asks for them.

#include <bpf/libbpf.h>

#include <memory>
#include <set>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/probe/attach.h"
#include "agent/probe/capabilities.h"
#include "agent/probe/share_maps.h"

struct response_bpf;

namespace gnomon::probe {

// Not thread-safe. Everything is detached when it goes, and by the kernel when the process dies.
class ResponseProbe {
 public:
  // Loads the programs onto the maps of `tap`, which must be loaded and live longer. kFailedPrecondition, with the
  // kernel's reason, where it lets nothing see what a service sends while that is there.
  static absl::StatusOr<std::unique_ptr<ResponseProbe>> load(bpf_object* tap, Ring ring);
  ~ResponseProbe();

  // Tells which of the programs load by themselves.
  static void try_programs(Capabilities& found);

  // Attaches what copies the responses of a slot's service as they are sent; `wanted`: or does so no longer.
  absl::Status follow(std::uint32_t slot, bool wanted);
  // What copies them as their packets leave as well: the service has sent what the former cannot read, from files.
  // Fails where that cannot be had.
  absl::Status follow_packets(std::uint32_t slot);

 private:
  struct SkeletonDeleter {
    void operator()(response_bpf* skeleton) const;
  };
  using SkeletonPtr = std::unique_ptr<response_bpf, SkeletonDeleter>;

  // Which of the programs are loaded.
  struct Programs {
    const char* send;  // the one that sees what is sent
    bool packets;      // the one that sees what leaves
  };
  ResponseProbe(SkeletonPtr skeleton, Programs programs);
  static absl::StatusOr<SkeletonPtr> load_with(Programs programs, bpf_object* tap, Ring ring);
  static Attempt try_program(const char* program);

  SkeletonPtr skeleton_;
  const Programs programs_;
  std::vector<LinkPtr> links_;
  LinkPtr packets_link_;
  std::set<std::uint32_t> slots_, packets_slots_;  // that each is there for
};

}  // namespace gnomon::probe
