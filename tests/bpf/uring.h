#pragma once
// Reading a socket with io_uring.

#include <liburing.h>

#include <cerrno>
#include <cstddef>

#include "tests/bpf/loopback.h"

namespace gnomon::uring {

// Of one thread.
class Reader {
 public:
  Reader() { error_ = -::io_uring_queue_init(8, &ring_, 0); }
  ~Reader() {
    if (error_ == 0) ::io_uring_queue_exit(&ring_);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  // errno's value if there is no io_uring here, else 0.
  int error() const { return error_; }

  std::size_t read(int fd, char* data, std::size_t size) {
    ::io_uring_prep_recv(::io_uring_get_sqe(&ring_), fd, data, size, 0);
    if (::io_uring_submit(&ring_) != 1) loopback::fail("io_uring_submit");
    io_uring_cqe* done = nullptr;
    if (::io_uring_wait_cqe(&ring_, &done) != 0) loopback::fail("io_uring_wait_cqe");
    const int got = done->res;
    ::io_uring_cqe_seen(&ring_, done);
    if (got < 0) {
      errno = -got;
      loopback::fail("io_uring");
    }
    return static_cast<std::size_t>(got);
  }

 private:
  io_uring ring_{};
  int error_;
};

}  // namespace gnomon::uring
