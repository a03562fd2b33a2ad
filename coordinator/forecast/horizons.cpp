#include "coordinator/forecast/horizons.h"

#include <array>
#include <optional>
#include <set>

namespace gnomon::forecast {
namespace {

constexpr std::array kHorizons = {1, 2, 3, 4, 6, 8, 12, 18, 24, 36, 48, 96, 144, 288, 576, 1152, 2880};
constexpr int kParts = 6;

}  // namespace

std::vector<int> learnt_horizons(int season, int longest) {
  std::set<int> steps(kHorizons.begin(), kHorizons.end());
  if (season >= 2 * kParts && 2 * season <= kLongestLag) {
    std::erase_if(steps, [season](int horizon) { return horizon > 3 && horizon < 2 * season; });
    for (int part = 1; part <= 2 * kParts; ++part) steps.insert(part * season / kParts);
    steps.insert({season - 1, season + 1, 2 * season - 1});
  }
  std::erase_if(steps, [longest](int horizon) { return horizon > longest; });
  return {steps.begin(), steps.end()};
}

// A whole number of seasons ahead, the origin itself is the latest of the target's phase: what was learnt there, or
// where the target lies in another season, says little of other horizons.
Between between(const std::vector<int>& learnt, std::size_t count, int season, int horizon) {
  const auto alike = [&](int steps) { return steps % season != 0 && (steps - 1) / season == (horizon - 1) / season; };
  std::optional<std::size_t> near, far;
  std::size_t closest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (learnt[i] == horizon) return {i, i, 0};
    if (learnt[i] < horizon) closest = i;
    if (!alike(learnt[i])) continue;
    if (learnt[i] < horizon) near = i;
    if (learnt[i] > horizon && !far) far = i;
  }
  if (near && far) return {*near, *far, static_cast<double>(horizon - learnt[*near]) / (learnt[*far] - learnt[*near])};
  if (near || far) return {near ? *near : *far, near ? *near : *far, 0};
  return {closest, closest, 0};
}

}  // namespace gnomon::forecast
