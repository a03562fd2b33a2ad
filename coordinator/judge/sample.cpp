#include "coordinator/judge/sample.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gnomon::judge {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kOneInThousand = 3.09;  // normal quantile of 99.9%

std::vector<Sample::Group> grouped(std::vector<Sample::Group> values) {
  std::sort(values.begin(), values.end(), [](const auto& a, const auto& b) { return a.value < b.value; });
  std::vector<Sample::Group> groups;
  for (const auto& one : values) {
    if (!groups.empty() && groups.back().value == one.value)
      groups.back().count += one.count;
    else
      groups.push_back(one);
  }
  return groups;
}

// Midranks less their mean, over their number; NaN stays. Does not change with any rising function of the values, and
// outliers count for no more than others.
std::vector<double> centred_ranks(std::span<const double> values, const std::vector<Sample::Group>& groups) {
  std::vector<double> middles;
  double sum = 0;
  for (const auto& group : groups) {
    middles.push_back(sum + group.count / 2);
    sum += group.count;
  }
  std::vector<double> ranks;
  for (const double value : values) {
    const auto at = std::lower_bound(groups.begin(), groups.end(), value,
                                     [](const Sample::Group& group, double x) { return group.value < x; });
    ranks.push_back(std::isfinite(value) ? middles[static_cast<std::size_t>(at - groups.begin())] / sum - 0.5 : kNaN);
  }
  return ranks;
}

// Over the pairs of neighbours of which both are known.
double lag_one_autocorrelation(const std::vector<double>& values) {
  double mean = 0, known = 0, products = 0, squares = 0;
  for (const double value : values)
    if (std::isfinite(value)) mean += (value - mean) / ++known;
  if (known < 3) return 0;
  double last = kNaN;
  for (const double value : values) {
    if (std::isfinite(value)) squares += (value - mean) * (value - mean);
    if (std::isfinite(value) && std::isfinite(last)) products += (value - mean) * (last - mean);
    last = value;
  }
  return squares > 0 ? products / squares : 0;
}

double value_at(const Sample& sample, double position) {
  double before = 0;
  for (const auto& [value, count] : sample.groups) {
    before += count;
    if (position < before - 0.5) return value;
  }
  return sample.groups.back().value;
}

// Sorted distances from `centre`, as a sample.
Sample distances(const Sample& sample, double centre) {
  Sample result;
  result.groups = sample.groups;
  for (auto& group : result.groups) group.value = std::fabs(group.value - centre);
  result.groups = grouped(std::move(result.groups));
  result.count = sample.count;
  return result;
}

}  // namespace

Sample sample_of(std::span<const double> series) {
  Sample sample;
  std::vector<Sample::Group> singles;
  for (const double value : series) {
    if (std::isfinite(value))
      singles.push_back({value, 1});
    else
      ++sample.missing;
  }
  sample.count = static_cast<double>(singles.size());
  sample.groups = grouped(std::move(singles));
  sample.autocorrelation = lag_one_autocorrelation(centred_ranks(series, sample.groups));
  return sample;
}

std::pair<Sample, Sample> samples_side_by_side(std::span<const double> control, std::span<const double> treatment) {
  std::pair<Sample, Sample> samples(sample_of(control), sample_of(treatment));
  if (control.size() != treatment.size()) return samples;
  std::vector<double> differences = centred_ranks(treatment, samples.second.groups);
  const std::vector<double> others = centred_ranks(control, samples.first.groups);
  for (std::size_t i = 0; i < differences.size(); ++i) differences[i] -= others[i];
  samples.first.autocorrelation = samples.second.autocorrelation = lag_one_autocorrelation(differences);
  return samples;
}

Sample sample_of(const telemetry::Histogram& histogram) {
  Sample sample;
  for (const auto& [bucket, times] : histogram.buckets()) {
    const auto middle = static_cast<double>(telemetry::bucket_midpoint(bucket).count());
    sample.groups.push_back({middle, static_cast<double>(times)});
  }
  sample.groups = grouped(std::move(sample.groups));
  sample.count = static_cast<double>(histogram.count());
  return sample;
}

Sample shifted(Sample sample, double shift) {
  for (auto& group : sample.groups) group.value += shift;
  return sample;
}

double quantile(const Sample& sample, double q) {
  if (sample.empty()) return kNaN;
  const double position = std::clamp(q, 0.0, 1.0) * (sample.count - 1), below = std::floor(position);
  const double low = value_at(sample, below), part = position - below;
  return part > 0 ? low + part * (value_at(sample, below + 1) - low) : low;
}

double median_deviation(const Sample& sample, double centre) {
  return 1.4826 * quantile(distances(sample, centre), 0.5);
}

double mean_deviation(const Sample& sample, double centre) {
  if (sample.empty()) return kNaN;
  double sum = 0;
  for (const auto& [value, count] : sample.groups) sum += count * std::fabs(value - centre);
  return 1.2533 * sum / sample.count;
}

Pooled pool(const Sample& control, const Sample& treatment) {
  Pooled pooled{.control = control.count, .treatment = treatment.count};
  auto left = control.groups.begin(), right = treatment.groups.begin();
  while (left != control.groups.end() || right != treatment.groups.end()) {
    Pooled::Group group;
    const bool from_left =
        right == treatment.groups.end() || (left != control.groups.end() && left->value <= right->value);
    group.value = from_left ? left->value : right->value;
    if (left != control.groups.end() && left->value == group.value) group.control = (left++)->count;
    if (right != treatment.groups.end() && right->value == group.value) group.treatment = (right++)->count;
    pooled.groups.push_back(group);
  }
  const double n = pooled.count();
  if (n < 1) return pooled;
  const double correlation =
      (control.count * control.autocorrelation + treatment.count * treatment.autocorrelation) / n;
  if (correlation > kOneInThousand / std::sqrt(n))
    pooled.inflation = (1 + correlation) / std::max(0.02, 1 - correlation);
  return pooled;
}

Sample sample_of(const Pooled& pooled) {
  Sample sample;
  sample.count = pooled.count();
  for (const auto& group : pooled.groups) sample.groups.push_back({group.value, group.count()});
  return sample;
}

Pooled coarse(const Pooled& pooled, std::size_t most) {
  if (pooled.groups.size() <= most) return pooled;
  Pooled result = pooled;
  result.groups.clear();
  const double per_group = pooled.count() / static_cast<double>(most);
  double before = 0;
  long last = -1;
  for (const auto& group : pooled.groups) {
    // By its middle, so that a group that holds much does not draw its neighbours in.
    const long at = static_cast<long>((before + group.count() / 2) / per_group);
    before += group.count();
    if (at != last) {
      result.groups.push_back(group);
    } else {
      auto& into = result.groups.back();
      into.value += (group.value - into.value) * group.count() / (into.count() + group.count());
      into.control += group.control;
      into.treatment += group.treatment;
    }
    last = at;
  }
  return result;
}

Sample coarse(const Sample& sample, std::size_t most) {
  Pooled pooled{.control = sample.count};
  for (const auto& [value, count] : sample.groups) pooled.groups.push_back({value, count, 0});
  Sample result = sample_of(coarse(pooled, most));
  result.missing = sample.missing;
  result.autocorrelation = sample.autocorrelation;
  return result;
}

}  // namespace gnomon::judge
