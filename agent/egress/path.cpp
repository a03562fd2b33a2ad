#include "agent/egress/path.h"

#include <algorithm>

namespace gnomon::egress {

Path::Path(Nanos delay_mean, Nanos delay_stddev, std::uint64_t seed)
    : own_(DelayShape::kNormal, delay_mean, delay_stddev), random_(seed) {}

void Path::set(const PathNoise& noise) {
  noise_ = noise;
  injector_ = noise::Injector(noise.model);
  tally_ = {};
  on_ = false;
  ++noises_;
}

void Path::switch_to(bool on) {
  if (on && !on_) ++phases_;
  on_ = on;
}

bool Path::lets_request_through() {
  if (!on_) return true;
  ++tally_.tally.requests;
  const bool fails = noise::happens(noise_.model.error_rate, random_);
  tally_.tally.failed += fails;
  return !fails;
}

bool Path::lets_response_begin(std::uint64_t& phase) {
  if (!on_ || phase == phases_) return true;
  phase = phases_;
  ++tally_.tally.responding;
  const bool reset = noise::happens(noise_.model.reset, random_);
  tally_.tally.reset += reset;
  return !reset;
}

Path::Delay Path::draw_delay() {
  Delay delay{
      .own = Nanos(static_cast<std::int64_t>(own_.quantile(std::uniform_real_distribution<double>(0, 1)(random_))))};
  if (!on_ || noise_.model.delay_mean <= Nanos(0)) return delay;
  delay.injected = injector_.draw_delay(random_);
  delay.noise = noises_;
  return delay;
}

void Path::delayed(const Delay& delay, Nanos held) {
  if (delay.noise != 0 && delay.noise == noises_) tally_.tally.add_delay(held);
}

MonoTime Path::pace(MonoTime due, std::size_t bytes) {
  if (!on_ || noise_.rate_limit == 0) return due;
  const MonoTime begin = std::max(due, free_);
  const double seconds = 8 * static_cast<double>(bytes) / static_cast<double>(noise_.rate_limit);
  free_ = begin + std::chrono::duration_cast<Nanos>(std::chrono::duration<double>(seconds));
  return begin;
}

void Path::passed(std::size_t bytes) {
  if (on_) tally_.bytes += bytes;
}

}  // namespace gnomon::egress
