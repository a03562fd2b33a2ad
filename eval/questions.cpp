#include "eval/questions.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace gnomon::eval {
namespace {

bool within(int value, int least, int most) {
  return value >= least && value <= most;
}

}  // namespace

absl::StatusOr<Origins> parse_origins(const std::string& text, const std::string& name) {
  Origins out;
  try {
    const YAML::Node node = YAML::Load(text);  // JSON is YAML
    out = {node["period"].as<int>(), node["origins"].as<std::vector<long>>(), node["horizons"].as<std::vector<int>>()};
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": needs period, origins and horizons (", error.what(), ")"));
  }
  std::sort(out.origins.begin(), out.origins.end());
  const bool horizons = !out.horizons.empty() && std::all_of(out.horizons.begin(), out.horizons.end(),
                                                             [](int h) { return within(h, 1, kLongestHorizon); });
  if (within(out.period, 2, kLongestPeriod) && horizons) return out;
  return absl::InvalidArgumentError(
      absl::StrCat(name, ": period must be 2 to ", kLongestPeriod, ", horizons 1 to ", kLongestHorizon));
}

absl::StatusOr<std::vector<CapacityQuestion>> parse_questions(const std::string& text, const std::string& name) {
  std::vector<CapacityQuestion> out;
  try {
    const YAML::Node root = YAML::Load(text);  // JSON is YAML
    if (!root.IsMap()) return absl::InvalidArgumentError(name + ": must be an object of scenarios");
    for (const auto& item : root) {
      const YAML::Node rates = item.second["rates"];
      const CapacityQuestion question{
          item.first.as<std::string>(),
          {rates["0.70"].as<double>(), rates["0.80"].as<double>(), rates["0.90"].as<double>()},
          item.second["slo_p99_ms"].as<double>()};
      const auto positive = [](double value) { return std::isfinite(value) && value > 0; };
      if (!std::all_of(question.rates.begin(), question.rates.end(), positive) || !positive(question.objective_ms))
        return absl::InvalidArgumentError(
            absl::StrCat(name, ": ", question.scenario, ": rates and slo_p99_ms must be positive"));
      out.push_back(question);
    }
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", error.what()));
  }
  return out;
}

}  // namespace gnomon::eval
