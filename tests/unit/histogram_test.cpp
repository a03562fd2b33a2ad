#include "telemetry/histogram.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "bpf/abi/histogram.h"
#include "gtest/gtest.h"

namespace gnomon::telemetry {
namespace {

TEST(HistogramLayout, BucketsAreContiguousAndContainTheirValues) {
  for (std::uint32_t bucket = 0; bucket < HISTOGRAM_BUCKETS; ++bucket) {
    const auto low = histogram_lower_edge(bucket), next = histogram_lower_edge(bucket + 1);
    ASSERT_LT(low, next);
    EXPECT_EQ(histogram_bucket(low), bucket);
    EXPECT_EQ(histogram_bucket(next - 1), bucket);
  }
}

TEST(HistogramLayout, BucketsAreAtMostThreePercentWide) {
  for (std::uint32_t bucket = HISTOGRAM_SUB_BUCKETS; bucket < HISTOGRAM_BUCKETS; ++bucket) {
    const double low = static_cast<double>(histogram_lower_edge(bucket));
    EXPECT_LE((static_cast<double>(histogram_lower_edge(bucket + 1)) - low) / low, 1.0 / 32);
  }
}

TEST(HistogramLayout, ValuesBeyondTheLastEdgeAreCountedInTheLastBucket) {
  EXPECT_EQ(histogram_bucket(~0ull), static_cast<std::uint32_t>(HISTOGRAM_BUCKETS - 1));
}

TEST(Histogram, QuantilesOfALogNormalAreWithinThreePercent) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> latency(std::log(2e6), 0.8);
  std::vector<double> values;
  Histogram histogram;
  for (int i = 0; i < 100000; ++i) {
    values.push_back(latency(random));
    histogram.record(Nanos(std::llround(values.back())));
  }
  std::sort(values.begin(), values.end());
  for (double q : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = values[static_cast<std::size_t>(q * 1e5)];
    EXPECT_NEAR(static_cast<double>(histogram.quantile(q)->count()), exact, 0.03 * exact) << q;
  }
}

TEST(Histogram, EmptyHasNoQuantileAndNoMean) {
  EXPECT_FALSE(Histogram().quantile(0.5).has_value());
  EXPECT_FALSE(Histogram().mean().has_value());
}

TEST(Histogram, MergingEqualsRecordingTogether) {
  Histogram together, left, right;
  for (int i = 1; i < 1000; ++i) {
    together.record(Nanos(i * 977));
    (i % 2 ? left : right).record(Nanos(i * 977));
  }
  left.merge(right);
  EXPECT_EQ(left, together);
}

TEST(Histogram, NegativeDurationsAreCountedAsZero) {
  Histogram histogram;
  histogram.record(Nanos(-5));
  EXPECT_EQ(histogram.buckets().begin()->first, 0u);
}

}  // namespace
}  // namespace gnomon::telemetry
