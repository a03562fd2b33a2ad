#pragma once
// Line charts as inline SVG: no scripts, no external references, colours from the page's CSS classes.

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace gnomon::cli {

struct Series {
  std::string name;                               // for the legend
  std::string css_class;                          // of its line
  std::vector<std::pair<double, double>> points;  // (seconds, value), seconds ascending; a NaN value is a gap
};

// A shaded span of time.
struct Band {
  double from = 0, to = 0;  // seconds
  bool treatment = false;
};

struct Chart {
  std::string title;
  std::string note;                          // one sentence below the title; may be empty
  bool logarithmic = false;                  // values at or below zero are gaps then
  std::function<std::string(double)> label;  // of a value
  double seconds = 0;                        // the time axis goes from 0 to here
  std::vector<Series> series;
  std::vector<Band> bands;
};

// A <figure> with legend and SVG; says so when there is nothing to draw.
std::string render_chart(const Chart& chart);

// Round values that divide [low, high]: 1, 2 or 5 times a power of ten apart, or for a logarithmic axis at those.
std::vector<double> linear_ticks(double low, double high, int about);
std::vector<double> log_ticks(double low, double high);

}  // namespace gnomon::cli
