#pragma once
// Owner of the uprobes on TLS libraries: one set for each library file, shared by the slots whose processes map it.

#include <bpf/libbpf.h>

#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/probe/attach.h"
#include "agent/probe/share_maps.h"
#include "agent/tls/library.h"
#include "bpf/abi/probe.h"

struct tls_bpf;

namespace gnomon::probe {

// Not thread-safe. Everything is detached when it goes, and by the kernel when the process dies.
class TlsProbe {
 public:
  // Loads the programs onto the maps of `tap`, which must be loaded and live longer.
  static absl::StatusOr<std::unique_ptr<TlsProbe>> load(bpf_object* tap, Ring ring);
  ~TlsProbe();

  // Probes the libraries for the slot, besides those that are probed for it already. On failure none is added.
  absl::Status attach(std::uint32_t slot, std::span<const tls::Library> libraries);
  // Has the writes of the slot's libraries probed as well, those of libraries that are added later included; or no
  // longer.
  absl::Status set_writes(std::uint32_t slot, bool wanted);
  // Ends the probes that no other slot needs.
  void detach(std::uint32_t slot);

 private:
  struct SkeletonDeleter {
    void operator()(tls_bpf* skeleton) const;
  };
  struct Probed {
    tls::Library library;
    std::vector<LinkPtr> links, write_links;
    std::set<std::uint32_t> slots;
  };
  using File = std::pair<std::string, std::uint64_t>;  // device and inode

  explicit TlsProbe(std::unique_ptr<tls_bpf, SkeletonDeleter> skeleton);
  // Either those that write or the others.
  absl::StatusOr<std::vector<LinkPtr>> probe_functions(const tls::Library& library, bool writes);
  absl::Status probe_writes();

  std::unique_ptr<tls_bpf, SkeletonDeleter> skeleton_;
  std::map<File, Probed> probed_;
  std::set<std::uint32_t> write_slots_;
};

}  // namespace gnomon::probe
