#include "agent/compare/pair.h"

#include <algorithm>
#include <utility>

namespace gnomon::compare {

Outcome compare(const Settings& settings, const protocol::Response& production, bool damaged,
                const protocol::Response& shadow) {
  if (production.status && production.status != shadow.status) return Outcome::kOtherStatus;
  if (production.size && production.size != shadow.size) return Outcome::kOtherSize;
  if (settings.body) {
    const std::size_t common = std::min(production.body.size(), shadow.body.size());
    // The shadow's is whole up to the bound: if it is the shorter, its size is another.
    if (common < production.body.size() && !production.size) return Outcome::kOtherSize;
    if (production.body.differs(shadow.body)) return Outcome::kOtherBody;
    if (damaged) return Outcome::kLost;
  }
  return production.status && production.size ? Outcome::kSame : damaged ? Outcome::kLost : Outcome::kTruncated;
}

Pair::~Pair() {
  if (!settled_ && sent_) tally_->count(endpoint_, missing_.value_or(!shadow_ ? Outcome::kUnanswered : Outcome::kLost));
  for (const auto* half : {&production_, &shadow_})
    if (*half) tally_->let_go((*half)->held);
}

void Pair::production(protocol::Response response, bool damaged) {
  const std::lock_guard lock(mutex_);
  damaged_ = damaged;
  keep(production_, std::move(response));
}

void Pair::missing(Outcome why) {
  const std::lock_guard lock(mutex_);
  if (!production_ && !missing_) missing_ = why;
}

void Pair::sent() {
  const std::lock_guard lock(mutex_);
  sent_ = true;
}

void Pair::answered(const protocol::Answer& answer) {
  const std::lock_guard lock(mutex_);
  keep(shadow_, {.status = answer.status, .size = answer.size, .body = answer.body});
}

void Pair::keep(std::optional<Half>& half, protocol::Response response) {
  if (settled_ || half) return;
  half = Half{.response = std::move(response)};
  if (production_ && shadow_) return settle();
  if (tally_->hold(half->response.body.held_bytes())) {
    half->held = half->response.body.held_bytes();
    return;
  }
  half->response.body = protocol::Body();
  if (!missing_) missing_ = Outcome::kTooMany;
}

void Pair::settle() {
  settled_ = true;
  tally_->count(endpoint_,
                missing_ ? *missing_ : compare(settings_, production_->response, damaged_, shadow_->response));
  for (Half* half : {&*production_, &*shadow_}) {
    tally_->let_go(std::exchange(half->held, 0));
    half->response.body = protocol::Body();
  }
}

}  // namespace gnomon::compare
