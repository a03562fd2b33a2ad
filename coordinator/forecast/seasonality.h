#pragma once
// Finds how often a series repeats itself. Pure.

#include <vector>

namespace gnomon::forecast {

// The season of `values` in steps: `usual` unless the autocorrelation of the values, less their moving mean and with
// outliers bounded, stands out at another lag that is no part of it. NaN is missing.
int find_season(const std::vector<double>& values, int usual);

}  // namespace gnomon::forecast
