// What a forecast costs: CPU time to take in a point and to forecast, and the memory of a series, on made-up traffic
// with a daily and a weekly season. Prints one JSON object on standard output.

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <random>
#include <string>

#include "coordinator/forecast/forecaster.h"

namespace gnomon::forecast {
namespace {

constexpr int kSteps = 48;
constexpr int kWarmWeeks = 3, kForecasts = 40;

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

class Traffic {
 public:
  explicit Traffic(int season) : season_(season) {}
  double next() {
    constexpr double kTurn = 6.283185307179586;
    const double day = static_cast<double>(step_++) / season_;
    const double weekday = std::fmod(day, 7) < 5 ? 1 : 0.6;
    noise_ = 0.8 * noise_ + normal_(random_);
    return std::max(0.0, weekday * (100 + 60 * std::sin(kTurn * day)) + 3 * noise_);
  }

 private:
  int season_;
  long step_ = 0;
  double noise_ = 0;
  std::mt19937_64 random_{1};
  std::normal_distribution<double> normal_;
};

struct Cost {
  double us_per_point = 0, forecast_ms = 0, kib = 0;
};

// `season` points a day.
Cost measure(int season) {
  Forecaster model({.step = Seconds(86400.0 / season)});
  Traffic traffic(season);
  long step = 0;
  const auto observe = [&](int points) {
    for (int i = 0; i < points; ++i, ++step)
      model.observe(Seconds(static_cast<double>(step) * 86400.0 / season), traffic.next());
  };
  observe(kWarmWeeks * 7 * season);
  double start = cpu_seconds();
  observe(7 * season);
  const double learning = cpu_seconds() - start;
  double sum = 0;
  start = cpu_seconds();
  for (int i = 0; i < kForecasts; ++i) sum += model.forecast(kSteps).steps.back().yhat;
  const double forecasting = cpu_seconds() - start;
  if (!(sum > 0)) std::fputs("bench-forecast: the forecasts of traffic are not above zero\n", stderr);
  return {1e6 * learning / (7 * season), 1e3 * forecasting / kForecasts, static_cast<double>(model.bytes()) / 1024};
}

}  // namespace
}  // namespace gnomon::forecast

int main() {
  const auto minutes = gnomon::forecast::measure(288), hours = gnomon::forecast::measure(24);
  const auto show = [](const gnomon::forecast::Cost& cost) {
    return fmt::format(R"({{"us_per_point": {:.2f}, "forecast_ms": {:.3f}, "kib": {:.0f}}})", cost.us_per_point,
                       cost.forecast_ms, cost.kib);
  };
  fmt::print("{{\"five_minutes\": {}, \"hours\": {}, \"steps\": {}}}\n", show(minutes), show(hours),
             gnomon::forecast::kSteps);
}
