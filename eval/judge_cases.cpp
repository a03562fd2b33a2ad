#include "eval/judge_cases.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace gnomon::eval {
namespace {

using Json = nlohmann::json;

// A list of numbers; null is a missing value.
absl::StatusOr<std::vector<double>> numbers(const Json& one, const char* field) {
  const auto found = one.find(field);
  if (found == one.end() || !found->is_array())
    return absl::InvalidArgumentError(std::string("field '") + field + "' must be a list of numbers");
  std::vector<double> values;
  for (const Json& value : *found) {
    if (!value.is_number() && !value.is_null())
      return absl::InvalidArgumentError(std::string("field '") + field + "' must be a list of numbers");
    values.push_back(value.is_number() ? value.get<double>() : std::nan(""));
  }
  return values;
}

// What is missing or of another type has its default.
std::string text_of(const Json& one, const char* field) {
  const auto found = one.find(field);
  return found != one.end() && found->is_string() ? found->get<std::string>() : "";
}

double number_of(const Json& one, const char* field, double otherwise) {
  const auto found = one.find(field);
  return found != one.end() && found->is_number() ? found->get<double>() : otherwise;
}

judge::Harm harm_of(const Json& one) {
  const std::string direction = text_of(one, "direction_bad");
  if (direction == "increase") return judge::Harm::kIncrease;
  if (direction == "decrease") return judge::Harm::kDecrease;
  return judge::Harm::kEither;
}

judge::EffectLimits limits_of(const Json& parameters, const char* field, judge::EffectLimits limits) {
  const auto found = parameters.find(field);
  if (found != parameters.end() && found->is_array() && found->size() == 2 && (*found)[0].is_number() &&
      (*found)[1].is_number())
    limits = {(*found)[0].get<double>(), (*found)[1].get<double>()};
  return limits;
}

// A case of the rule brings its parameters along.
judge::Rule rule_of(const Json& one, const Json& parameters) {
  judge::Rule rule;
  const std::string direction = text_of(one, "direction");
  if (direction == "Increase") rule.reported = judge::Harm::kIncrease;
  if (direction == "Decrease") rule.reported = judge::Harm::kDecrease;
  rule.tolerance = number_of(parameters, "tolerance", rule.tolerance);
  rule.confidence = number_of(parameters, "confLevel", rule.confidence);
  if (text_of(parameters, "effectSizeMeasure") == "cles") rule.measure = judge::EffectMeasure::kSuperiority;
  rule.effect = limits_of(parameters, "effectSizeThresholds", rule.effect);
  rule.critical = limits_of(parameters, "criticalThresholds", rule.critical);
  rule.is_critical = one.contains("isCriticalMetric") && one["isCriticalMetric"] == true;
  rule.absence_is_nothing = text_of(one, "nanStrategy") == "Replace";
  return rule;
}

absl::StatusOr<JudgeCase> case_of(const Json& one) {
  const char* id = one.is_object() && one.contains("id") ? "id" : "name";
  if (!one.is_object() || !one.contains(id) || !one[id].is_string())
    return absl::InvalidArgumentError("must be an object with a text 'id' or 'name'");
  const bool by_rule = one.contains("params") && one["params"].is_object();
  auto control = numbers(one, by_rule ? "control" : "baseline");
  if (!control.ok()) return control.status();
  auto treatment = numbers(one, by_rule ? "experiment" : "canary");
  if (!treatment.ok()) return treatment.status();
  JudgeCase out{.id = one[id].get<std::string>(),
                .control = *std::move(control),
                .treatment = *std::move(treatment),
                .harm = harm_of(one)};
  if (!by_rule) return out;
  out.rule = rule_of(one, one["params"]);
  out.by_means = text_of(one["params"], "classifier") == "MeanInequalityClassifier";
  return out;
}

}  // namespace

absl::StatusOr<std::vector<JudgeCase>> parse_judge_cases(std::string_view text, const std::string& name) {
  Json cases = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (cases.is_object() && cases.contains("classifier_cases")) cases = Json(cases["classifier_cases"]);
  if (!cases.is_array()) return absl::InvalidArgumentError(name + ": must be a JSON list of cases");
  std::vector<JudgeCase> out;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    auto one = case_of(cases[i]);
    if (!one.ok())
      return absl::InvalidArgumentError(name + ": case " + std::to_string(i) + ": " +
                                        std::string(one.status().message()));
    out.push_back(*std::move(one));
  }
  return out;
}

}  // namespace gnomon::eval
