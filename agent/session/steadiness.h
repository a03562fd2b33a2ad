#pragma once
// Is a shadow's latency steady? Caches fill, code is compiled, pools grow while it warms up.

#include <cstddef>
#include <string>
#include <vector>

#include "telemetry/histogram.h"

namespace gnomon::session {

// Pure. Service times come about once a second; they are put together until there are 20, and the medians of the last
// three such windows are compared: steady if the highest and the lowest differ by no more than a tenth, or 50 µs, and
// what chance explains (twice the standard error of their difference, at most three tenths).
class Steadiness {
 public:
  void add(const telemetry::Histogram& service_time);
  bool steady() const;
  std::size_t windows() const { return windows_; }  // so far
  std::string describe() const;  // "medians 1.2 ms, 1.1 ms, 1.1 ms", or that there was too little to tell

 private:
  struct Window {
    double median = 0, error = 0;  // ns
  };
  telemetry::Histogram collected_;
  std::vector<Window> last_;  // at most three
  std::size_t windows_ = 0;
};

}  // namespace gnomon::session
