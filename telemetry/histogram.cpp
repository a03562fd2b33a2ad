#include "telemetry/histogram.h"

#include <algorithm>
#include <cmath>

#include "bpf/abi/histogram.h"

namespace gnomon::telemetry {
namespace {

double lower_edge(std::uint32_t bucket) {
  return static_cast<double>(histogram_lower_edge(bucket));
}

}  // namespace

void Histogram::record(Nanos value, std::uint64_t times) {
  const Nanos clamped = std::max(value, Nanos(0));
  add_bucket(histogram_bucket(static_cast<std::uint64_t>(clamped.count())), times);
  sum_ += clamped * times;
}

void Histogram::add_bucket(std::uint32_t bucket, std::uint64_t times) {
  if (times == 0) return;
  buckets_[std::min<std::uint32_t>(bucket, HISTOGRAM_BUCKETS - 1)] += times;
  count_ += times;
}

void Histogram::merge(const Histogram& other) {
  for (const auto& [bucket, times] : other.buckets_) buckets_[bucket] += times;
  count_ += other.count_;
  sum_ += other.sum_;
}

std::optional<Nanos> Histogram::mean() const {
  if (count_ == 0) return std::nullopt;
  return sum_ / static_cast<Nanos::rep>(count_);
}

std::optional<Nanos> Histogram::quantile(double q) const {
  if (count_ == 0) return std::nullopt;
  const double rank = std::clamp(q, 0.0, 1.0) * static_cast<double>(count_);
  double below = 0;
  for (const auto& [bucket, times] : buckets_) {
    const double here = static_cast<double>(times);
    if (below + here >= rank) {
      const double low = lower_edge(bucket), high = lower_edge(bucket + 1);
      return Nanos(std::llround(low + (high - low) * std::max(0.0, rank - below) / here));
    }
    below += here;
  }
  return Nanos(std::llround(lower_edge(buckets_.rbegin()->first + 1)));
}

std::uint64_t Histogram::count_above(Nanos limit) const {
  std::uint64_t above = 0;
  for (const auto& [bucket, times] : buckets_)
    if (bucket_midpoint(bucket) > limit) above += times;
  return above;
}

Nanos bucket_midpoint(std::uint32_t bucket) {
  return Nanos(std::llround((lower_edge(bucket) + lower_edge(bucket + 1)) / 2));
}

}  // namespace gnomon::telemetry
