#include "coordinator/detect/features.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace gnomon::detect {
namespace {

double& at(Aspects& aspects, Aspect aspect) {
  return aspects[static_cast<std::size_t>(aspect)];
}

template <class Counts>
double blend(const Counts& counts, std::size_t symbol, double prior) {
  double total = 1;
  for (double count : counts) total += count;
  return (counts[symbol] + prior) / total;
}

std::array<Scale, 24> hourly_scales() {
  return []<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<Scale, 24>{((void)I, Scale(0.002))...};
  }
  (std::make_index_sequence<24>());
}

}  // namespace

double ContextModel::code_length(std::size_t symbol) {
  auto& one = order1_[last_];
  auto& two = order2_[before_ * kSymbols + last_];
  const double p = blend(two, symbol, blend(one, symbol, blend(order0_, symbol, 1.0 / kSymbols)));
  order0_[symbol] += 1;
  one[symbol] += 1;
  two[symbol] += 1;
  for (double& count : order0_) count *= 0.9995;
  for (double& count : one) count *= 0.999;
  for (double& count : two) count *= 0.998;
  before_ = last_;
  last_ = symbol;
  return -std::log(p);
}

Features::Features() : hour_scale_(hourly_scales()) {}

Aspects Features::push(double time, double value) {
  Aspects out{};
  if (count_ == 0) last_ = value;
  // Differences that rounding makes are no differences.
  const double epsilon = 1e-9 * std::fabs(value) + std::numeric_limits<double>::min();
  const double step = value - last_;
  at(out, Aspect::kStep) = step_scale_.ratio(step, epsilon);

  const double rank = values_.rank(value);
  const double score = normal_quantile(std::clamp(rank, 0.001, 0.999));
  range(value, epsilon, out);
  season(time, value, epsilon, out);
  at(out, Aspect::kRankStep) = std::fabs(score - (count_ > 0 ? last_score_ : score));
  recent(score, out);

  const double step_rank = steps_.rank(step);
  const std::size_t direction = step_rank < 0.1 ? 0 : step_rank > 0.9 ? 2 : 1;
  novelty_.add(contexts_.code_length(std::min<std::size_t>(3, static_cast<std::size_t>(rank * 4)) * 3 + direction));
  at(out, Aspect::kNovelty) = novelty_.mean();

  short_steps_.add(std::fabs(step));
  long_steps_.add(std::fabs(step));
  if (long_steps_.mean() > 0) at(out, Aspect::kVolatility) = short_steps_.mean() / (long_steps_.mean() + epsilon);

  values_.add(value);
  steps_.add(step);
  last_ = value;
  last_score_ = score;
  return out;
}

// Distance from the median over that of the 5th or 95th percentile on the same side.
void Features::range(double value, double epsilon, Aspects& out) {
  if (values_.count() < 20) return;
  const double low = values_.quantile(0.05), middle = values_.quantile(0.5), high = values_.quantile(0.95);
  const double least = 0.1 * std::max(high - low, epsilon);
  const double side = value > middle ? high - middle : middle - low;
  at(out, Aspect::kExtreme) = std::min(1e4, std::fabs(value - middle) / (std::max(side, least) + epsilon));
}

void Features::season(double time, double value, double epsilon, Aspects& out) {
  double usual = 0;
  if (day_.expected(time, usual)) {
    const double off = value - usual;
    at(out, Aspect::kDaily) = day_scale_.ratio(off, epsilon);
    at(out, Aspect::kDailyLevel) = level_scale_.ratio(off - day_level_.mean(), epsilon);
    const double limit = 5 * day_scale_.value() + epsilon;
    day_level_.add(std::clamp(off, -limit, limit));
    const double hours = time / 3600, hour = hours - 24 * std::floor(hours / 24);
    Scale& scale = hour_scale_[std::min<std::size_t>(23, static_cast<std::size_t>(hour))];
    const double ratio = scale.ratio(off, epsilon);
    if (scale.count() >= 8) at(out, Aspect::kHourScale) = ratio;
  }
  day_.add(time, value);
}

void Features::recent(double normal_score, Aspects& out) {
  scores_[count_ % kRecent] = normal_score;
  ++count_;
  if (count_ < 40) return;
  double mean = 0, variance = 0;
  for (double score : scores_) mean += score / kRecent;
  for (double score : scores_) variance += (score - mean) * (score - mean) / kRecent;
  at(out, Aspect::kLevel) = std::fabs(mean);
  at(out, Aspect::kSpread) = std::fabs(std::log(variance + 0.05));
}

}  // namespace gnomon::detect
