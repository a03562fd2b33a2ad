#pragma once
// Time. Everything inside a node is on CLOCK_MONOTONIC, the clock that bpf_ktime_get_ns() and steady_clock both read;
// wall-clock time appears only on what leaves the node.

#include <chrono>

namespace gnomon {

using Nanos = std::chrono::nanoseconds;
using MonoTime = std::chrono::steady_clock::time_point;
using WallTime = std::chrono::system_clock::time_point;

// Time as an argument, so that a test can own it.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime now() const = 0;
  virtual WallTime wall_now() const = 0;
};

class SystemClock final : public Clock {
 public:
  MonoTime now() const override { return std::chrono::steady_clock::now(); }
  WallTime wall_now() const override { return std::chrono::system_clock::now(); }
};

inline MonoTime mono_from_ns(unsigned long long ns) {
  return MonoTime(Nanos(static_cast<long long>(ns)));
}

}  // namespace gnomon
