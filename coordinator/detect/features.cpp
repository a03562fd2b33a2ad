#include "coordinator/detect/features.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gnomon::detect {
namespace {

constexpr std::size_t kUnknown = 20;  // observations before a range means anything
constexpr double kMost = 1e4;

double& at(Aspects& aspects, Aspect aspect) {
  return aspects[static_cast<std::size_t>(aspect)];
}

Categories::Vector uniform(double scale) {
  Categories::Vector all;
  all.fill(scale);
  return all;
}

// Distance from the nearest of the values at this time of the last days, one observation more or less. False while
// there are not two days, or if a day has hardly any observations.
bool from_same_time(const PastCourses& past, double interval, double& distance) {
  constexpr double kDay = 86400, kLeast = 8;
  constexpr std::size_t kDays = 14;
  const double a_day = std::round(kDay / interval);
  if (!(interval > 0) || a_day < kLeast || 2 * a_day > static_cast<double>(past.count() - 1)) return false;
  const std::size_t day = static_cast<std::size_t>(a_day), last = std::min(past.count() - 1, PastCourses::kLags);
  const double value = past.before(0);
  distance = std::numeric_limits<double>::infinity();
  for (std::size_t d = 1; d <= kDays; ++d)
    for (std::size_t lag = d * day - 1; lag <= d * day + 1 && lag <= last; ++lag)
      distance = std::min(distance, std::fabs(value - past.before(lag)));
  return std::isfinite(distance);
}

}  // namespace

Aspects Features::push(double time, double value) {
  Aspects out{};
  if (count_ == 0) {
    last_ = value;
    first_time_ = time;
  }
  // Differences that rounding makes are no differences.
  const double epsilon = 1e-9 * std::fabs(value) + std::numeric_limits<double>::min();
  at(out, Aspect::kRecord) = range_.beyond(value) / (range_.width() + epsilon);
  range_.add(value);
  courses(time, value, epsilon, out);
  levels(value, epsilon, out);
  moves(value, epsilon, out);
  if (++count_ <= kUnknown) out = {};
  for (double& aspect : out) aspect = std::min(aspect, kMost);
  last_ = value;
  return out;
}

void Features::courses(double time, double value, double epsilon, Aspects& out) {
  const std::size_t lag = courses_.nearest_lag();
  const double analogue = lag > 0 ? std::fabs(value - courses_.before(lag - 1)) : 0;
  courses_.push(value);
  at(out, Aspect::kAnalogue) = analogue_.ratio(analogue, epsilon);
  if (courses_.nearest_lag() > 0) at(out, Aspect::kShape) = shape_.ratio(courses_.shape_distance(), epsilon);
  double distance = 0;
  if (count_ > 0 && from_same_time(courses_, (time - first_time_) / static_cast<double>(count_), distance))
    at(out, Aspect::kSameTime) = same_time_.ratio(distance, epsilon);
}

void Features::levels(double value, double epsilon, Aspects& out) {
  Categories::Vector vector{value}, ranges{range_.width() + epsilon};
  for (std::size_t i = 0; i < kWindows.size(); ++i) {
    means_[i].add(value);
    mean_range_[i].add(means_[i].mean());
    vector[i + 1] = means_[i].mean();
    ranges[i + 1] = mean_range_[i].width() + epsilon;
  }
  const double width = range_.width();
  const double usual = values_.count() >= static_cast<std::int64_t>(kUnknown)
                           ? std::max(values_.quantile(0.98) - values_.quantile(0.02), 0.1 * width)
                           : width;
  values_.add(value);
  at(out, Aspect::kLevels) = levels_.push(vector, uniform(width + epsilon));
  at(out, Aspect::kEachLevel) = each_level_.push(vector, ranges);
  at(out, Aspect::kUsualLevels) = usual_levels_.push(vector, uniform(usual + epsilon));
}

void Features::moves(double value, double epsilon, Aspects& out) {
  const double step = value - last_;
  step_range_.add(step);
  step_size_.add(std::fabs(step));
  at(out, Aspect::kMove) =
      moves_.push({value, step, 0, 0}, {range_.width() + epsilon, step_range_.width() + epsilon, 1, 1});
  Categories::Vector sizes{step};
  for (std::size_t i = 0; i < kWindows.size(); ++i) {
    step_means_[i].add(std::fabs(step));
    sizes[i + 1] = step_means_[i].mean();
  }
  at(out, Aspect::kVolatility) = volatility_.push(sizes, uniform(step_size_.most() + epsilon));
}

}  // namespace gnomon::detect
