#include "cli/render/chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cli/render/html.h"
#include "fmt/format.h"

namespace gnomon::cli {
namespace {

constexpr double kWidth = 1000, kHeight = 230, kLeft = 72, kRight = 12, kTop = 10, kBottom = 26;

// Values and seconds to coordinates of the picture.
class Axes {
 public:
  explicit Axes(const Chart& chart) : log_(chart.logarithmic), seconds_(std::max(chart.seconds, 1.0)) {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const Series& series : chart.series)
      for (const auto& [second, value] : series.points)
        if (drawable(value)) {
          low = std::min(low, value);
          high = std::max(high, value);
        }
    empty_ = low > high;
    if (empty_) return;
    if (log_) {
      low_ = low * 0.8;
      high_ = high * 1.25;
      ticks_ = log_ticks(low_, high_);
    } else {
      low_ = 0;
      high_ = high > 0 ? high * 1.08 : 1;
      ticks_ = linear_ticks(low_, high_, 4);
    }
  }

  bool empty() const { return empty_; }
  bool drawable(double value) const { return std::isfinite(value) && (!log_ || value > 0); }
  double x(double second) const { return kLeft + std::clamp(second / seconds_, 0.0, 1.0) * (kWidth - kLeft - kRight); }
  double y(double value) const {
    const double share = log_ ? std::log(value / low_) / std::log(high_ / low_) : (value - low_) / (high_ - low_);
    return kHeight - kBottom - std::clamp(share, 0.0, 1.0) * (kHeight - kTop - kBottom);
  }
  const std::vector<double>& ticks() const { return ticks_; }
  double seconds() const { return seconds_; }

 private:
  bool log_, empty_ = true;
  double seconds_, low_ = 0, high_ = 1;
  std::vector<double> ticks_;
};

std::string grid(const Axes& axes, const Chart& chart) {
  std::string out;
  for (const double tick : axes.ticks())
    out += fmt::format(
        "<line class='grid' x1='{}' x2='{}' y1='{:.1f}' y2='{:.1f}'/><text class='tick' x='{}' y='{:.1f}' "
        "text-anchor='end'>{}</text>\n",
        kLeft, kWidth - kRight, axes.y(tick), axes.y(tick), kLeft - 8, axes.y(tick) + 4,
        escape_html(chart.label(tick)));
  for (const double tick : linear_ticks(0, axes.seconds(), 8))
    out += fmt::format("<text class='tick' x='{:.1f}' y='{}' text-anchor='middle'>{:g} s</text>\n", axes.x(tick),
                       kHeight - 8, tick);
  return out;
}

std::string bands(const Axes& axes, const Chart& chart) {
  std::string out;
  for (const Band& band : chart.bands)
    out += fmt::format("<rect class='{}' x='{:.1f}' y='{}' width='{:.1f}' height='{}'/>\n",
                       band.treatment ? "treatment" : "control", axes.x(band.from), kTop,
                       std::max(0.0, axes.x(band.to) - axes.x(band.from)), kHeight - kTop - kBottom);
  return out;
}

std::string line(const Axes& axes, const Series& series) {
  std::string path;
  bool drawing = false;
  for (std::size_t i = 0; i < series.points.size(); ++i) {
    const auto& [second, value] = series.points[i];
    if (!axes.drawable(value)) {
      drawing = false;
      continue;
    }
    path += fmt::format("{}{:.1f} {:.1f}", drawing ? "L" : "M", axes.x(second), axes.y(value));
    // A lone point between gaps would be invisible as a line of no length.
    const bool lone = !drawing && (i + 1 == series.points.size() || !axes.drawable(series.points[i + 1].second));
    if (lone) path += "h0.01";
    drawing = true;
  }
  return path.empty() ? "" : fmt::format("<path class='line {}' d='{}'/>\n", escape_html(series.css_class), path);
}

}  // namespace

std::vector<double> linear_ticks(double low, double high, int about) {
  if (!(high > low) || about < 1) return {low};
  const double raw = (high - low) / about, power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0})
    if (raw <= factor * power) {
      step = factor * power;
      break;
    }
  std::vector<double> ticks;
  for (double k = std::ceil(low / step); k * step <= high * (1 + 1e-9); ++k) ticks.push_back(k * step);
  return ticks;
}

std::vector<double> log_ticks(double low, double high) {
  std::vector<double> ticks;
  if (!(low > 0) || !(high > low)) return ticks;
  const double decades = std::log10(high / low);
  for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10)
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * power;
      if (tick < low || tick > high || (factor != 1 && decades > 3)) continue;
      ticks.push_back(tick);
    }
  return ticks;
}

std::string render_chart(const Chart& chart) {
  const Axes axes(chart);
  std::string out = fmt::format("<figure>\n<figcaption><h3>{}</h3>", escape_html(chart.title));
  if (!chart.note.empty()) out += fmt::format("<p>{}</p>", escape_html(chart.note));
  if (axes.empty()) return out + "<p>Nothing was measured.</p></figcaption>\n</figure>\n";
  out += "<div class='legend'>";
  for (const Series& series : chart.series)
    out += fmt::format(
        "<span><svg viewBox='0 0 22 8' width='22' height='8' aria-hidden='true'><path class='line {}' d='M1 "
        "4H21'/></svg>{}"
        "</span>",
        escape_html(series.css_class), escape_html(series.name));
  out += "</div></figcaption>\n";
  out +=
      fmt::format("<svg viewBox='0 0 {} {}' role='img' aria-label='{}'>\n", kWidth, kHeight, escape_html(chart.title));
  out += bands(axes, chart) + grid(axes, chart);
  for (const Series& series : chart.series) out += line(axes, series);
  return out + "</svg>\n</figure>\n";
}

}  // namespace gnomon::cli
