#include "agent/session/pauses.h"

#include <algorithm>
#include <cmath>

namespace gnomon::session {
namespace {

constexpr std::chrono::duration<double> kUsualGap{10};
constexpr double kPausesToDoubleIt = 20;
constexpr Nanos kShortestPiece = std::chrono::seconds(5);
constexpr double kEnoughRequests = 50;
constexpr std::chrono::duration<double> kShortestWindow{0.7}, kLongestWindow{3};

Nanos nanos(std::chrono::duration<double> seconds) {
  return std::chrono::duration_cast<Nanos>(seconds);
}

}  // namespace

std::vector<Nanos> Pauses::cut(Nanos measured) {
  std::vector<Nanos> pieces;
  while (true) {
    ++pauses_;
    // In [0.5, 1.5), by hand: the standard library's distributions differ between its implementations.
    const double drawn = 0.5 + std::ldexp(static_cast<double>(random_() >> 11), -53);
    const Nanos gap = nanos(kUsualGap * (1 + pauses_ / kPausesToDoubleIt) * drawn);
    if (measured < gap + kShortestPiece) break;
    pieces.push_back(gap);
    measured -= gap;
  }
  pieces.push_back(measured);
  return pieces;
}

bool Pauses::before() {
  return (random_() >> 63) != 0;
}

Nanos window_length(std::uint64_t requests, Nanos span, Nanos most) {
  const std::chrono::duration<double> seconds = span;
  const auto enough = requests > 0 ? seconds * (kEnoughRequests / static_cast<double>(requests)) : kLongestWindow;
  return std::min(nanos(std::clamp(enough, kShortestWindow, kLongestWindow)), most / 2);
}

}  // namespace gnomon::session
