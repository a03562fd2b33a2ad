#include "coordinator/forecast/combination.h"

#include <algorithm>
#include <cmath>

namespace gnomon::forecast {
namespace {

constexpr double kWorst = 1.3;  // members that lose more than this multiple of the best one's loss are left out
constexpr double kStackShare = 0.5;
constexpr double kStackSeasons = 4;  // half of what the regression has learnt is forgotten after four short seasons
constexpr double kOutlier = 3;
constexpr double kRecent = 0.1;     // weight of the newest error among the recent ones
constexpr double kErrorWeight = 3;  // in the regression: the ridge holds errors back less than the members
constexpr std::size_t kErrors = 2;

}  // namespace

Combination::Combination(int members, int season, int fallback)
    : members_(members),
      season_(std::max(season, 168)),
      stack_(members + static_cast<int>(kErrors)),
      losses_(static_cast<std::size_t>(members), 0),
      weights_(static_cast<std::size_t>(members), 0),
      row_(static_cast<std::size_t>(members) + kErrors, 0) {
  weights_[static_cast<std::size_t>(fallback)] = 1;
}

void Combination::keep(float* made) const {
  made[members_] = static_cast<float>(combine(made));
  made[members_ + 1] = static_cast<float>(last_error_);
  made[members_ + 2] = static_cast<float>(recent_error_);
}

void Combination::learn(const float* made, double actual, double resolution) {
  const double rate = std::max(1 - std::pow(0.5, 1.0 / season_), 1 / (count_ + 1));
  const double middle = weighted(made), error = actual - middle;
  for (std::size_t i = 0; i < losses_.size(); ++i) {
    losses_[i] += static_cast<float>(rate * (std::abs(made[i] - actual) - losses_[i]));
    row_[i] = static_cast<float>(made[i] - middle);
  }
  for (std::size_t i = 0; i < kErrors; ++i)
    row_[losses_.size() + i] = static_cast<float>(kErrorWeight) * made[losses_.size() + 1 + i];
  own_loss_ += rate * (std::abs(error) - own_loss_);
  last_error_ = count_ > 10 ? std::clamp(actual - made[members_], -own_loss_, own_loss_) : 0;
  recent_error_ += kRecent * (last_error_ - recent_error_);
  const double limit = kOutlier * own_loss_;
  const double weight = limit > 0 && std::abs(error) > limit ? limit / std::abs(error) : 1;
  stack_.add(row_.data(), error, weight, std::pow(0.5, 1 / (kStackSeasons * season_)));
  ++count_;
  if (count_ >= 3) weigh(resolution);
}

void Combination::weigh(double resolution) {
  const double best = *std::min_element(losses_.begin(), losses_.end()) + resolution;
  double sum = 0;
  for (std::size_t i = 0; i < losses_.size(); ++i) {
    const double ratio = (losses_[i] + resolution) / best;
    const double fourth = ratio * ratio * ratio * ratio;
    weights_[i] = ratio > kWorst ? 0 : static_cast<float>(1 / (fourth * fourth));  // loss^-8
    sum += weights_[i];
  }
  for (float& weight : weights_) weight = static_cast<float>(weight / sum);
}

double Combination::weighted(const float* members) const {
  double sum = 0;
  for (std::size_t i = 0; i < weights_.size(); ++i) sum += static_cast<double>(weights_[i]) * members[i];
  return sum;
}

double Combination::combine(const float* members) const {
  const double middle = weighted(members);
  if (corrections_.empty() || count_ < 60) return middle;
  double correction = 0;
  for (std::size_t i = 0; i < weights_.size(); ++i) correction += corrections_[i] * (members[i] - middle);
  correction += kErrorWeight * corrections_[weights_.size()] * last_error_;
  correction += kErrorWeight * corrections_[weights_.size() + 1] * recent_error_;
  return middle + kStackShare * correction;
}

std::size_t Combination::bytes() const {
  return stack_.bytes() + (losses_.size() + weights_.size() + corrections_.size() + row_.size()) * sizeof(float);
}

}  // namespace gnomon::forecast
