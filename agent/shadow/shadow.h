#pragma once
// The shadow runtime: an isolated copy of a live process, over an overlay of its own root, in namespaces and a cgroup
// of its own.

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/discovery/instance.h"
#include "agent/egress/forwarder.h"
#include "agent/egress/guard.h"
#include "common/units.h"
#include "document/image_name.h"

namespace gnomon::shadow {

struct Budget {  // of all shadows of the node together
  MilliCpu cpu;
  Bytes memory;
};

struct Spec {
  std::string id;  // the session's; [a-z0-9-]
  discovery::Instance instance;
  MilliCpu cpu;  // hard limit, from when it is ready on: to start, it may take what is free of the budget
  Bytes memory;  // hard limit; what it writes is on top of it, bounded by itself
  std::optional<unsigned> io_weight = {};  // 1 to 1000, from when it is ready on; not set: the usual
  std::string bundle = {};                 // directory of an OCI bundle that is started in place of a copy; empty: none
  std::optional<document::ImageName> image = {};  // an OCI image that is, instead
  std::vector<document::EgressRule> egress = {};  // what it may reach beyond its own network
  int stop = -1;  // a descriptor: readable when an image that is being unpacked is not waited for any longer
};

// When a shadow is up, and how long it is waited for.
struct ReadyWhen {
  Nanos timeout;
  std::string http_path = {};  // unless empty, GET for it is answered with 2xx or 3xx
  // Or else an answer to this protocol's greeting tells, if it has one (readiness.h); empty: its program's.
  std::string protocol = {};
  int stop = -1;  // a descriptor: readable when it is not waited for any longer; negative: none
};

// One running shadow. Destroying it stops the container and removes every trace.
class Shadow {
 public:
  virtual ~Shadow() = default;
  virtual pid_t pid() const = 0;  // of its init, seen from the host
  virtual int pidfd() const = 0;  // readable when it has died
  virtual bool alive() const = 0;
  virtual std::vector<std::string> log_tail() const = 0;  // its last lines of output, at most 20
  // Where the replayer finds it: enter the network namespace replay_netns() (setns on a thread of its own), connect
  // there.
  virtual int replay_netns() const = 0;
  virtual std::string address() const = 0;
  virtual std::uint16_t port() const = 0;
  // What its egress rules' connections lead through, in the place of which it connects; null without rules.
  virtual egress::Forwarder* forwarder() const = 0;
  virtual int link_netns() const = 0;  // with the agent's end of its link
  // What it wanted to reach, most often first; beyond 64 destinations summed up.
  virtual std::vector<egress::Attempt> egress_attempts() const = 0;
  // Changes its hard limits, and its weight if that is set, while it runs, all or nothing; what it may write stays.
  // kResourceExhausted: not free in the budget; kFailedPrecondition: it uses more memory than that, or no disk of the
  // node knows weights.
  virtual absl::Status set_limits(MilliCpu cpu, Bytes memory, std::optional<unsigned> io_weight = {}) = 0;
  // Waits until its service takes a connection on its port, and what else is asked; returns duplicates of its listening
  // sockets. Fails, with its last lines, if it dies or the time is over; kCancelled when it is stopped.
  virtual absl::StatusOr<std::vector<UniqueFd>> wait_ready(const ReadyWhen& when) = 0;
};

// One per agent. Mounts live in a private mount namespace and die with the process; containers hold a lease (a pipe
// from the agent) and die with it too; what the kernel does not clean by itself (cgroups, the state directory) the next
// sweep removes.
class Runtime {
 public:
  // Enters a private mount namespace (so: call before any thread is started), makes the state directory, sweeps.
  // `oci_runtime` is the program that starts containers; empty: crun if it is there and can start one here, else runc.
  // kNotFound with the remedy if there is none.
  static absl::StatusOr<std::unique_ptr<Runtime>> create(const std::string& state_root, Budget budget,
                                                         const std::string& oci_runtime = "");
  virtual ~Runtime() = default;  // removes the state directory and the budget's cgroup
  virtual Budget budget() const = 0;
  virtual std::string oci_runtime() const = 0;  // the program's path
  // kResourceExhausted if the limits do not fit into what is left of the budget, with at least 16 MiB to write: says
  // both figures and the remedy. An image is unpacked first, which takes up to two minutes.
  virtual absl::StatusOr<std::unique_ptr<Shadow>> start(const Spec& spec) = 0;
};

struct Leftover {
  std::string kind;  // "cgroup", "container", "state directory", "process"
  std::string what;
  std::string problem;  // why it could not be removed; empty when it was (or when only looked for)
};

// Finds what agents that are gone have left. Removes it unless `check_only`. What belongs to a living agent is never
// touched.
absl::StatusOr<std::vector<Leftover>> sweep(const std::string& state_root, bool check_only);

inline constexpr char kStateRoot[] = "/run/gnomon";

}  // namespace gnomon::shadow
