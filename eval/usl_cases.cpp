#include "eval/usl_cases.h"

#include <yaml-cpp/yaml.h>

#include "absl/strings/str_cat.h"
#include "eval/json_number.h"

namespace gnomon::eval {
namespace {

FittedParameter parameter_of(const YAML::Node& fit, const std::string& name) {
  FittedParameter out;
  if (fit[name]) {
    out.value = finite(fit[name]);
    out.precision = printed_precision(fit[name]);
  }
  if (fit[name + "_se"]) out.standard_error = finite(fit[name + "_se"]);
  return out;
}

std::optional<UslFit> fit_of(const YAML::Node& fit) {
  if (!fit.IsDefined() || fit.IsNull()) return std::nullopt;
  return UslFit{parameter_of(fit, "alpha"), parameter_of(fit, "beta"), parameter_of(fit, "gamma")};
}

UslCase case_of(const YAML::Node& item) {
  UslCase out{item["name"].as<std::string>(), {}, fit_of(item["published"]), fit_of(item["our_fit"])};
  const YAML::Node loads = item["load"], throughputs = item["throughput"];
  if (loads.size() != throughputs.size()) throw YAML::Exception(item.Mark(), "load and throughput differ in length");
  for (std::size_t i = 0; i < loads.size(); ++i) out.measurements.push_back({finite(loads[i]), finite(throughputs[i])});
  return out;
}

}  // namespace

absl::StatusOr<std::vector<UslCase>> parse_usl_cases(const std::string& text, const std::string& name) {
  std::vector<UslCase> out;
  try {
    const YAML::Node root = YAML::Load(text);  // JSON is YAML
    for (const YAML::Node& item : root.IsSequence() ? root : root["cases"]) out.push_back(case_of(item));
  } catch (const YAML::Exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", error.what()));
  }
  return out;
}

}  // namespace gnomon::eval
