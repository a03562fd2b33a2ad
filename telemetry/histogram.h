#pragma once
// A sparse, mergeable log-linear histogram of durations: the form in which measured time travels. Same buckets as the
// kernel's (bpf/abi/histogram.h): a quantile read from it is within 1.6% of the value recorded.

#include <cstdint>
#include <map>
#include <optional>

#include "common/clock.h"

namespace gnomon::telemetry {

class Histogram {
 public:
  void record(Nanos value, std::uint64_t times = 1);
  // Adds `times` to a bucket by number; numbers beyond the layout are counted in the last bucket.
  void add_bucket(std::uint32_t bucket, std::uint64_t times);
  void add_sum(Nanos sum) { sum_ += sum; }
  void merge(const Histogram& other);

  bool empty() const { return count_ == 0; }
  std::uint64_t count() const { return count_; }
  // Sum of the recorded values: exact for record(), whatever add_sum() said for add_bucket().
  Nanos sum() const { return sum_; }
  // Mean of the recorded values; empty: nullopt.
  std::optional<Nanos> mean() const;
  // The value at quantile q in [0, 1], interpolated linearly within its bucket; empty: nullopt.
  std::optional<Nanos> quantile(double q) const;
  // How many recorded values are above `limit`, counting a bucket by its midpoint.
  std::uint64_t count_above(Nanos limit) const;

  const std::map<std::uint32_t, std::uint64_t>& buckets() const { return buckets_; }
  friend bool operator==(const Histogram&, const Histogram&) = default;

 private:
  std::map<std::uint32_t, std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  Nanos sum_{0};
};

// Midpoint of a bucket.
Nanos bucket_midpoint(std::uint32_t bucket);

}  // namespace gnomon::telemetry
