// Arbitrary doubles as a series, and times as a series' times: what the models say of it is finite and in order.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "coordinator/capacity/usl.h"
#include "coordinator/detect/change_points.h"
#include "coordinator/detect/detector.h"
#include "coordinator/forecast/forecaster.h"
#include "coordinator/judge/compare.h"

namespace {

using namespace gnomon;

constexpr std::size_t kMost = 96;  // numbers, as each costs

void require(bool condition) {
  if (!condition) std::abort();
}

// Eight bytes a number; or, so that series are found that mean something, one byte a number.
std::vector<double> series(const std::uint8_t* data, std::size_t size) {
  std::vector<double> out;
  if (size == 0) return out;
  const bool whole = data[0] % 2 == 0;
  for (std::size_t i = 1; out.size() < kMost && i + (whole ? 8 : 1) <= size; i += whole ? 8 : 1) {
    double value = static_cast<std::int8_t>(data[i]);
    if (whole) std::memcpy(&value, data + i, sizeof value);
    out.push_back(value);
  }
  return out;
}

void check_detector(const std::vector<double>& values, bool own_times) {
  detect::Detector detector;
  detect::ChangePoints changes(0.1, own_times ? 8 : 0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double time = own_times ? values[values.size() - 1 - i] : 300.0 * static_cast<double>(i);
    const detect::Anomaly anomaly = detector.push(time, values[i]);
    require(anomaly.score >= 0 && anomaly.score <= 1);
    require(anomaly.surprise >= 0 && std::isfinite(anomaly.surprise));
  }
  // Over and over, as it says nothing before it has seen a few hundred.
  for (std::size_t i = 0; !values.empty() && i < 400; ++i) {
    const auto change = changes.push(values[i % values.size()]);
    require(!change || (change->ago > 0 && std::isfinite(change->surprise)));
  }
}

void check_forecaster(const std::vector<double>& values, bool own_times) {
  forecast::Forecaster forecaster({.step = forecast::Seconds(1), .longest = forecast::Seconds(12), .season = 8});
  for (std::size_t i = 0; i < values.size(); ++i)
    forecaster.observe(forecast::Seconds(own_times ? values[values.size() - 1 - i] : static_cast<double>(i)),
                       values[i]);
  const forecast::Forecast forecast = forecaster.forecast(12);
  require(forecast.confidence >= 0 && forecast.confidence <= 1);
  for (const forecast::Step& step : forecast.steps) require(!std::isnan(step.yhat) && step.lo <= step.hi);
}

void check_judge_and_law(const std::vector<double>& values) {
  const std::size_t half = values.size() / 2;
  const std::vector<double> control(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(half)),
      treatment(values.begin() + static_cast<std::ptrdiff_t>(half), values.end());
  const auto [one, other] = judge::samples_side_by_side(control, treatment);
  const judge::Comparison comparison = judge::compare(one, other);
  require(comparison.p_value >= 0 && comparison.p_value <= 1);
  require(half > 3 || comparison.classification == judge::Classification::kNoData);
  std::vector<capacity::Measurement> measurements;
  for (std::size_t i = 0; i < half; ++i) measurements.push_back({control[i], treatment[i]});
  if (const auto fit = capacity::fit_usl(measurements); fit.ok())
    require(fit->alpha.value >= 0 && fit->beta.value >= 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<double> values = series(data, size);
  const bool own_times = size > 0 && data[0] % 4 >= 2;
  check_detector(values, own_times);
  check_forecaster(values, own_times);
  check_judge_and_law(values);
  return 0;
}
