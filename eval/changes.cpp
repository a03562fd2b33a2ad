#include "eval/changes.h"

#include <cmath>

#include "coordinator/detect/change_points.h"

namespace gnomon::eval {

using detect::Change;

ChangesFile::ChangesFile(const std::string& path, std::size_t season)
    : writer_(path, {"series", "timestamp", "found", "kind", "before", "after", "surprise"}), season_(season) {}

void ChangesFile::add(const std::string& series, const std::vector<std::string>& times,
                      const std::vector<double>& values) {
  detect::ChangePoints changes(1e-4, season_);
  std::vector<std::size_t> present;  // a change is so many observations ago, missing ones not counted
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) continue;
    present.push_back(i);
    const auto change = changes.push(values[i]);
    if (!change) continue;
    const std::size_t since = present[present.size() - 1 - static_cast<std::size_t>(change->ago)];
    writer_.write({series, times[since], times[i], change->kind == Change::Kind::kLevel ? "level" : "spread",
                   to_field(change->before), to_field(change->after), to_field(change->surprise)});
  }
}

}  // namespace gnomon::eval
