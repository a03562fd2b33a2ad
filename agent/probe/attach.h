#pragma once
// Attaching a loaded program to its hook, for as long as the link lives.

#include <bpf/libbpf.h>

#include <memory>

#include "absl/status/statusor.h"

namespace gnomon::probe {

struct LinkDeleter {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};
using LinkPtr = std::unique_ptr<bpf_link, LinkDeleter>;

// To what its section names. Fails with the kernel's and libbpf's reason.
absl::StatusOr<LinkPtr> attach(const bpf_object* object, const char* program);

// To the root of the v2 hierarchy, hence all sockets: which cgroup a socket is of was settled when it was made.
// kFailedPrecondition where none is mounted.
absl::StatusOr<LinkPtr> attach_to_cgroups(const bpf_object* object, const char* program);

}  // namespace gnomon::probe
