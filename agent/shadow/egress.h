#pragma once
// What a shadow may reach beyond its own network: nothing but its rules, guarded by the kernel (docs/egress.md).

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/egress/forwarder.h"
#include "agent/egress/guard.h"
#include "agent/shadow/network.h"

namespace gnomon::shadow {

class Egress {
 public:
  // Guards a network that nothing runs in yet, and makes the v2 cgroup `cgroup` (a path as runc is given it) below
  // `cgroup_root` for what will. Errors: the kernel refuses the guard; there are rules and no v2 hierarchy.
  static absl::StatusOr<std::unique_ptr<Egress>> guard(const Network& network, std::vector<egress::EgressRule> rules,
                                                       const std::string& cgroup_root, const std::string& cgroup);
  ~Egress();  // ends what is forwarded; the guard stays until cgroup and namespace go

  // An error unless the shadow's first process is where the guard is.
  absl::Status check_inside(pid_t pid) const;
  // Most often first; beyond 64 destinations summed up.
  std::vector<egress::Attempt> attempts() const;
  egress::Forwarder* forwarder() const { return forwarder_.get(); }  // null without rules
  // "; it was refused 10.0.3.7:5432 (3 times), … (see docs/egress.md)", or nothing.
  std::string refused_text() const;

 private:
  explicit Egress(std::unique_ptr<egress::Guard> guard) : guard_(std::move(guard)) {}
  std::string directory_;  // of the v2 cgroup; empty where there is none: guarded at its link alone
  std::unique_ptr<egress::Guard> guard_;
  std::unique_ptr<egress::Forwarder> forwarder_;
};

}  // namespace gnomon::shadow
