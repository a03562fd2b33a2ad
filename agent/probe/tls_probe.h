#pragma once
// Owner of the uprobes on TLS libraries: one set for each library file, shared by those whose processes map it.

#include <bpf/libbpf.h>

#include <map>
#include <memory>
#include <mutex>
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

// Thread-safe: calls wait for each other, and long: the kernel takes 0.1 s to detach from a function.
// Everything is detached when it goes, and by the kernel when the process dies.
class TlsProbe {
 public:
  using User = std::uint32_t;  // of probes: a slot, from when it is taken to when it is released

  // The programs are loaded with the first library, onto the maps of `tap`, which must be loaded and live longer.
  TlsProbe(bpf_object* tap, Ring ring);
  ~TlsProbe();

  // Probes the libraries for the user, besides those that are probed for it already. On failure none is added.
  absl::Status attach(User user, std::span<const tls::Library> libraries);
  // Has the writes of the user's libraries probed as well, those of libraries that are added later included; or no
  // longer.
  absl::Status set_writes(User user, bool wanted);
  // Ends the probes that no other user needs.
  void detach(User user);

 private:
  struct SkeletonDeleter {
    void operator()(tls_bpf* skeleton) const;
  };
  struct Probed {
    tls::Library library;
    std::vector<LinkPtr> links, write_links;
    std::set<User> users;
  };
  using File = std::pair<std::string, std::uint64_t>;  // device and inode

  absl::Status load();
  // Either those that write or the others.
  absl::StatusOr<std::vector<LinkPtr>> probe_functions(const tls::Library& library, bool writes);
  absl::Status probe_writes();

  bpf_object* const tap_;
  const Ring ring_;
  std::mutex mutex_;
  std::unique_ptr<tls_bpf, SkeletonDeleter> skeleton_;  // null until there is a library
  std::map<File, Probed> probed_;
  std::set<User> write_users_;
};

}  // namespace gnomon::probe
