#include "coordinator/judge/discoveries.h"

#include <algorithm>
#include <cmath>

namespace gnomon::judge {

std::vector<std::size_t> discoveries_by_p(std::span<const double> p_values, double rate) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < p_values.size(); ++i)
    if (!std::isnan(p_values[i])) order.push_back(i);
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p_values[a] < p_values[b]; });
  const auto tests = static_cast<double>(order.size());
  std::size_t found = 0;
  for (std::size_t i = 0; i < order.size(); ++i)
    if (p_values[order[i]] <= rate * static_cast<double>(i + 1) / tests) found = i + 1;
  order.resize(found);
  std::sort(order.begin(), order.end());
  return order;
}

std::vector<std::size_t> discoveries_by_e(std::span<const double> e_values, double rate) {
  std::vector<double> inverses;
  for (const double e : e_values) inverses.push_back(1 / e);  // a p-value (Markov): 1/0 is infinite, 1/NaN is NaN
  return discoveries_by_p(inverses, rate);
}

}  // namespace gnomon::judge
