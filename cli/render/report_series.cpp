#include "cli/render/report_series.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cli/render/text.h"
#include "fmt/format.h"

namespace gnomon::cli {
namespace {

using Value = double (*)(const Point&);

constexpr double kGap = std::numeric_limits<double>::quiet_NaN();

double nanoseconds(const std::optional<Nanos>& duration) {
  return duration ? static_cast<double>(duration->count()) : kGap;
}

std::int64_t first_ms(const SessionView& view) {
  std::int64_t first = std::numeric_limits<std::int64_t>::max();
  for (const Point& point : view.points())
    first = std::min(first, point.end_unix_ms - static_cast<std::int64_t>(point.seconds * 1000));
  return view.points().empty() ? 0 : first;
}

double seconds_since(std::int64_t start_ms, const Point& point) {
  return static_cast<double>(point.end_unix_ms - start_ms) / 1000;
}

std::size_t stride(const SessionView& view, std::size_t max_points) {
  const auto shadows = static_cast<std::size_t>(
      std::count_if(view.points().begin(), view.points().end(), [](const Point& point) { return point.shadow; }));
  return std::max<std::size_t>(1, (shadows + max_points - 1) / max_points);
}

// Builds charts over the same time axis and blocks.
class ChartMaker {
 public:
  ChartMaker(const SessionView& view, std::size_t max_points)
      : view_(view), start_(first_ms(view)), stride_(stride(view, max_points)), bands_(block_bands(view, start_)) {
    for (const Point& point : view.points()) seconds_ = std::max(seconds_, seconds_since(start_, point));
  }

  Chart chart(std::string title, std::string note, bool logarithmic, std::function<std::string(double)> label) const {
    if (stride_ > 1)
      note += fmt::format("{}Each point is the highest of {} seconds.", note.empty() ? "" : " ", stride_);
    return Chart{.title = std::move(title),
                 .note = std::move(note),
                 .logarithmic = logarithmic,
                 .label = std::move(label),
                 .seconds = seconds_,
                 .series = {},
                 .bands = bands_};
  }

  Series series(const char* name, const char* css_class, bool shadow, Value value) const {
    Series out{.name = name, .css_class = css_class, .points = {}};
    double highest = kGap;
    std::size_t taken = 0;
    for (const Point& point : view_.points()) {
      if (point.shadow != shadow) continue;
      highest = std::fmax(highest, value(point));  // fmax: a gap loses against any number
      if (++taken % stride_ != 0) continue;
      out.points.emplace_back(seconds_since(start_, point), highest);
      highest = kGap;
    }
    return out;
  }

 private:
  const SessionView& view_;
  const std::int64_t start_;
  const std::size_t stride_;
  const std::vector<Band> bands_;
  double seconds_ = 0;
};

}  // namespace

std::vector<Band> block_bands(const SessionView& view, std::int64_t start_unix_ms) {
  std::vector<Band> bands;
  int current = -1;
  for (const Point& point : view.points()) {
    if (!point.shadow) continue;
    const double end = seconds_since(start_unix_ms, point);
    if (point.block >= 0 && point.block != current) {
      bool treatment = false;
      for (const v1::Block& block : view.session().spec().blocks())
        if (block.index() == point.block) treatment = block.kind() == v1::BLOCK_KIND_TREATMENT;
      bands.push_back({.from = std::max(0.0, end - point.seconds), .to = end, .treatment = treatment});
    } else if (point.block >= 0) {
      bands.back().to = end;
    }
    current = point.block;
  }
  return bands;
}

std::vector<Chart> report_charts(const SessionView& view, std::size_t max_points) {
  const ChartMaker make(view, max_points);
  const auto duration = [](double ns) { return format_duration(Nanos(std::llround(ns))); };
  const auto share = [](double value) { return format_fraction(Fraction{value}); };
  const auto number = [](double value) { return fmt::format("{:g}", value); };

  Chart service = make.chart("Service time",
                             "From a request's first byte on the socket to the first byte of its response, "
                             "measured in the kernel, the same way for both.",
                             true, duration);
  service.series = {
      make.series("production p50", "production median", false,
                  [](const Point& p) { return nanoseconds(p.service_p50); }),
      make.series("production p99", "production", false, [](const Point& p) { return nanoseconds(p.service_p99); }),
      make.series("shadow p50", "shadow median", true, [](const Point& p) { return nanoseconds(p.service_p50); }),
      make.series("shadow p99", "shadow", true, [](const Point& p) { return nanoseconds(p.service_p99); })};

  Chart response =
      make.chart("Response time of the shadow",
                 "From the moment a replayed request was due to its response: waiting and injected delay are in it.",
                 true, duration);
  response.series = {
      make.series("shadow p50", "shadow median", true, [](const Point& p) { return nanoseconds(p.response_p50); }),
      make.series("shadow p99", "shadow", true, [](const Point& p) { return nanoseconds(p.response_p99); })};

  const auto both = [&make](Chart chart, Value value) {
    chart.series = {make.series("production", "production", false, value),
                    make.series("shadow", "shadow", true, value)};
    return chart;
  };
  return {
      std::move(service),
      std::move(response),
      both(make.chart("Requests a second", "", false, number), [](const Point& p) { return p.requests_per_second; }),
      both(make.chart("CPU", "Processors used.", false, number), [](const Point& p) { return p.cpu; }),
      both(make.chart("Throttled", "Share of the time in which the CPU limit held it back.", false, share),
           [](const Point& p) { return p.throttled; }),
      both(make.chart("Errors",
                      "Production: responses 5xx. Shadow: replays that failed in any way, injected ones included.",
                      false, share),
           [](const Point& p) { return p.error_rate.value_or(kGap); })};
}

}  // namespace gnomon::cli
