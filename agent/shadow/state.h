#pragma once
// What an agent leaves on disk so that the next one can clean up after it: a locked directory, and the shadows'
// processes. No mount, no payload, no environment is in there: those live in the agent's private mount namespace.

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace gnomon::shadow {

inline constexpr char kTrial[] = "trial";  // directory, and cgroup, in which a container runtime is tried out

// <state_root>/<pid>-<start ticks>. Whoever can take its lock knows that its agent is gone.
class StateDirectory {
 public:
  // Makes it for this process. Call with the root's lock held.
  static absl::StatusOr<StateDirectory> make(const std::string& state_root);
  // That of an agent that is gone; kFailedPrecondition if it lives.
  static absl::StatusOr<StateDirectory> take_over(const std::string& state_root, const std::string& name);

  const std::string& name() const { return name_; }
  std::string path() const { return root_ + "/" + name_; }

  absl::Status record_process(pid_t pid);  // alive now, a shadow's
  void forget_process(pid_t pid);
  // Of those recorded, the ones that are still the same process.
  std::vector<pid_t> recorded_processes() const;

  // Removes it with the empty directories and the trial in it; never reaches below a mount.
  absl::Status remove();

 private:
  StateDirectory(std::string root, std::string name, UniqueFd lock)
      : root_(std::move(root)), name_(std::move(name)), lock_(std::move(lock)) {}
  std::string root_, name_;
  UniqueFd lock_;
};

// Held while state directories are made or swept, so that none is taken for a dead agent's before it is locked.
absl::StatusOr<UniqueFd> lock_state_root(const std::string& state_root);

// The names of all state directories.
std::vector<std::string> state_directories(const std::string& state_root);

// The pid in a name of the form <pid>-<start ticks>, if that very process is alive; else 0.
pid_t living_process(const std::string& name);

// Kills by pidfd, so never another process that has got the number, and waits until they are dead, up to two seconds.
absl::Status kill_and_wait(const std::vector<pid_t>& pids);

}  // namespace gnomon::shadow
