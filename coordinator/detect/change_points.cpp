#include "coordinator/detect/change_points.h"

#include <algorithm>
#include <cmath>

namespace gnomon::detect {
namespace {

constexpr std::int64_t kBoth = 2 * ChangePoints::kWindow;
constexpr double kSeasonRate = 1.0 / 14;  // per season seen
constexpr double kBeyond = 0.25;          // of the usual range
constexpr double kSame = 1e-9;            // of the values: differences that rounding makes

}  // namespace

ChangePoints::ChangePoints(double false_alarms, std::size_t season)
    : level_(-std::log10(false_alarms)),
      recent_(static_cast<std::size_t>(kBoth)),
      ratios_(recent_),
      usual_(season > 1 ? season : 0) {}

// False while the first season is learnt.
bool ChangePoints::without_season(double& value) {
  if (usual_.empty()) return true;
  const auto season = static_cast<std::int64_t>(usual_.size()), before = seen_ / season;
  double& usual = usual_[static_cast<std::size_t>(seen_++ % season)];
  const double off = value - usual;
  usual += off * std::max(kSeasonRate, 1 / static_cast<double>(before + 1));
  value = off;
  return before > 0;
}

// One outlier is no change: little beyond the usual range is believed.
double ChangePoints::bounded(double value) {
  const double low = values_.quantile(0.02), high = values_.quantile(0.98), reach = kBeyond * (high - low);
  values_.add(value);
  const bool known = values_.count() > kWindow && reach > 0 && std::isfinite(reach);
  return known ? std::clamp(value, low - reach, high + reach) : value;
}

double ChangePoints::at(std::int64_t back) const {
  return recent_[static_cast<std::size_t>((count_ - 1 - back) % kBoth)];
}

ChangePoints::Half ChangePoints::half(std::int64_t newest) const {
  constexpr double kEach = 1.0 / kWindow;
  Half out;
  for (std::int64_t i = newest; i < newest + kWindow; ++i) out.mean += kEach * at(i);
  for (std::int64_t i = newest; i < newest + kWindow; ++i) {
    const double off = at(i) - out.mean;
    out.variance += kEach * off * off;
  }
  return out;
}

std::optional<Change> ChangePoints::push(double value) {
  if (!std::isfinite(value) || !without_season(value)) return std::nullopt;
  recent_[static_cast<std::size_t>(count_++ % kBoth)] = bounded(value);
  if (count_ < kBoth) return std::nullopt;

  const Half after = half(0), before = half(kWindow);
  const double step = after.mean - before.mean, size = std::max(std::fabs(after.mean), std::fabs(before.mean));
  const double least = kSame * kSame * size * size + 1e-300;
  const double within = 0.5 * (after.variance + before.variance) + least, all = within + 0.25 * step * step;
  const double of_level = std::log(all / within);
  const double of_spread =
      std::log(within) - 0.5 * (std::log(after.variance + least) + std::log(before.variance + least));
  const double ratio = of_level + of_spread;
  // What overlaps with this split would vouch for it.
  double& old = ratios_[static_cast<std::size_t>(count_ % kBoth)];
  if (count_ >= 2 * kBoth) tail_.add(old);
  old = ratio;
  const double surprise = tail_.surprise(ratio);

  if (surprise >= level_ && ratio > candidate_ratio_) {
    candidate_ = Change{of_level >= of_spread ? Change::Kind::kLevel : Change::Kind::kSpread, 0, before.mean,
                        after.mean, surprise};
    candidate_ratio_ = ratio;
    candidate_at_ = count_;
  }
  if (!candidate_ || count_ - candidate_at_ < kWindow / 2) return std::nullopt;
  if (surprise >= level_) return std::nullopt;  // not over yet
  std::optional<Change> out = std::move(candidate_);
  out->ago = count_ - candidate_at_ + kWindow - 1;
  candidate_.reset();
  candidate_ratio_ = 0;
  return out;
}

}  // namespace gnomon::detect
