#pragma once
// The last lines that a shadow has written, in memory only.

#include <sys/types.h>

#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "common/unique_fd.h"

namespace gnomon::shadow {

class OutputTail {
 public:
  static constexpr std::size_t kLines = 20, kLineBytes = 512;  // more of a line is cut off

  // Reads on a thread of its own until all writers have gone or this object goes. The pipe belongs to `uid`, so that a
  // service which opens /dev/stdout anew may.
  static absl::StatusOr<std::unique_ptr<OutputTail>> open(uid_t uid, gid_t gid);
  ~OutputTail();

  int write_end() const { return write_end_.get(); }
  void close_write_end() { write_end_.reset(); }
  std::vector<std::string> lines() const;
  // Waits until all writers have gone, up to `timeout_ms`: what they wrote is in lines() then.
  void drain(int timeout_ms);

 private:
  OutputTail() = default;
  void read_all();
  void add(const char* text, std::size_t length);

  UniqueFd read_end_, write_end_, stop_, done_;
  mutable std::mutex mutex_;
  std::deque<std::string> lines_;  // the last one may be incomplete
  bool complete_ = true;
  std::thread thread_;
};

}  // namespace gnomon::shadow
