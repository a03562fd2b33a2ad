#pragma once
// One side of a comparison as the tests see it: values in order of size and how often each was seen. A series and a
// mergeable histogram have the same form, so every test takes both. Pure.

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "telemetry/histogram.h"

namespace gnomon::judge {

struct Sample {
  struct Group {
    double value = 0, count = 0;
  };
  std::vector<Group> groups;   // rising values, counts > 0
  double count = 0;            // sum of the groups' counts
  std::size_t missing = 0;     // values that were no finite numbers
  double autocorrelation = 0;  // of the ranks of neighbours in time; 0 where the order is not known

  bool empty() const { return groups.empty(); }
};

// Values in the order of time. What is not finite is counted as missing.
Sample sample_of(std::span<const double> series);
// Bucket midpoints, in nanoseconds.
Sample sample_of(const telemetry::Histogram& histogram);
// The same of two series taken side by side, value by value at the same time: what both went through together makes no
// difference between them, so the autocorrelation of both is that of their ranks' difference. Series of different
// lengths are taken each by itself.
std::pair<Sample, Sample> samples_side_by_side(std::span<const double> control, std::span<const double> treatment);
// The same with `shift` added to each value.
Sample shifted(Sample sample, double shift);

// Quantile q in [0, 1], interpolated between neighbouring order statistics (Hyndman and Fan 1996, type 7); NaN when
// empty.
double quantile(const Sample& sample, double q);
// 1.4826 times the median distance from `centre`: the standard deviation of what is normal around it. NaN when empty.
double median_deviation(const Sample& sample, double centre);
double mean_deviation(const Sample& sample, double centre);  // 1.2533 times the mean distance, likewise

// Both samples as one with how many of each value came from each side.
struct Pooled {
  struct Group {
    double value = 0, control = 0, treatment = 0;
    double count() const { return control + treatment; }
  };
  std::vector<Group> groups;
  double control = 0, treatment = 0;  // counts
  // How many times larger the variance of a mean is than that of as many independent values, for an autoregression of
  // the first order: (1 + r) / (1 - r), where the two samples' autocorrelation r is more than chance explains (one
  // side, 0.1%), else 1.
  double inflation = 1;

  double count() const { return control + treatment; }
};
Pooled pool(const Sample& control, const Sample& treatment);
Sample sample_of(const Pooled& pooled);

// The same with at most `most` groups of about equal counts, each at its mean value: what costs the square or more of
// the number of groups stays bounded.
Pooled coarse(const Pooled& pooled, std::size_t most);
Sample coarse(const Sample& sample, std::size_t most);

}  // namespace gnomon::judge
