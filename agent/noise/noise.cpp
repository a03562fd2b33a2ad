#include "agent/noise/noise.h"

#include <cmath>

namespace gnomon::noise {

// By inversion: what is drawn and what the judge predicts are one distribution (common/delay.h).
Nanos Injector::draw_delay(std::mt19937_64& random) const {
  if (model_.delay_mean <= Nanos(0)) return Nanos(0);
  return Nanos(std::llround(delay_.quantile(std::uniform_real_distribution<double>(0, 1)(random))));
}

Draw Injector::draw(std::mt19937_64& random) const {
  Draw result{.response_delay = draw_delay(random)};
  result.fail = happens(model_.error_rate, random);
  return result;
}

bool happens(Fraction probability, std::mt19937_64& random) {
  return probability.value > 0 && std::bernoulli_distribution(probability.value)(random);
}

void Tally::add_delay(Nanos held) {
  const auto ns = static_cast<double>(held.count());
  ++delayed;
  delay_sum += ns;
  delay_squares += ns * ns;
}

Tally& Tally::operator+=(const Tally& other) {
  requests += other.requests;
  failed += other.failed;
  delayed += other.delayed;
  delay_sum += other.delay_sum;
  delay_squares += other.delay_squares;
  connections += other.connections;
  refused += other.refused;
  responding += other.responding;
  reset += other.reset;
  return *this;
}

}  // namespace gnomon::noise
