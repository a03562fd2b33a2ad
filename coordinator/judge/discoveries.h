#pragma once
// Which of many comparisons to report, so that few of those reported are false. Pure.

#include <cstddef>
#include <span>
#include <vector>

namespace gnomon::judge {

// Benjamini and Hochberg (1995): the indices, rising, of the p-values that are discoveries; of these at most `rate` are
// false on average, for independent or positively dependent tests. NaN (no data) is never one, nor counted.
std::vector<std::size_t> discoveries_by_p(std::span<const double> p_values, double rate);

// The same of e-values, under any dependence (Wang and Ramdas 2022).
std::vector<std::size_t> discoveries_by_e(std::span<const double> e_values, double rate);

}  // namespace gnomon::judge
