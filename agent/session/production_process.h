#pragma once
// The process that is shadowed: is it there, and is what comes after it the same program?

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "agent/discovery/instance.h"
#include "common/unique_fd.h"

namespace gnomon::session {

class ProductionProcess {
 public:
  ProductionProcess() = default;  // none
  // kNotFound if it has ended meanwhile.
  static absl::StatusOr<ProductionProcess> open(const std::string& proc, const discovery::Instance& instance);

  int pidfd() const { return pidfd_.get(); }  // readable when it has ended; -1: none
  bool alive() const;
  absl::Status ended() const;  // that it has, as an error
  // The same file is executed.
  bool same_program(const ProductionProcess& other) const { return device_ == other.device_ && inode_ == other.inode_; }

 private:
  pid_t pid_ = 0;
  UniqueFd pidfd_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace gnomon::session
