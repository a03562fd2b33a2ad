#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "coordinator/judge/compare.h"
#include "coordinator/judge/rule.h"
#include "eval/command.h"
#include "eval/csv.h"

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

struct Answer {
  judge::Classification classification = judge::Classification::kNoData;
  bool critical = false;
};

// The project's judge, or with a field `params` the rule that it names.
absl::StatusOr<Answer> answer(const Json& one) {
  const bool by_rule = one.contains("params") && one["params"].is_object();
  const auto baseline = numbers(one, by_rule ? "control" : "baseline");
  const auto canary = numbers(one, by_rule ? "experiment" : "canary");
  if (!baseline.ok()) return baseline.status();
  if (!canary.ok()) return canary.status();
  const auto [control, treatment] = judge::samples_side_by_side(*baseline, *canary);
  if (!by_rule)
    return Answer{.classification = judge::compare(control, treatment, {.harm = harm_of(one)}).classification};
  const bool by_means = text_of(one["params"], "classifier") == "MeanInequalityClassifier";
  const auto verdict = by_means ? judge::classify_by_means(control, treatment)
                                : judge::classify_by_rule(control, treatment, rule_of(one, one["params"]));
  return Answer{.classification = verdict.classification, .critical = verdict.critical};
}

absl::Status judge_all(const std::string& in, const std::string& out) {
  const auto text = read_file(in);
  if (!text.ok()) return text.status();
  Json cases = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (cases.is_object() && cases.contains("classifier_cases")) cases = Json(cases["classifier_cases"]);
  if (!cases.is_array()) return absl::InvalidArgumentError(in + ": must be a JSON list of cases");
  const bool by_rule = !cases.empty() && cases[0].is_object() && cases[0].contains("params");
  std::vector<std::string> header = {"id", "classification"};
  if (by_rule) header.emplace_back("critical");
  CsvWriter writer(out, header);
  std::chrono::steady_clock::duration spent{};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const std::string where = in + ": case " + std::to_string(i) + ": ";
    const char* id = cases[i].is_object() && cases[i].contains("id") ? "id" : "name";
    if (!cases[i].is_object() || !cases[i].contains(id) || !cases[i][id].is_string())
      return absl::InvalidArgumentError(where + "must be an object with a text 'id' or 'name'");
    const auto start = std::chrono::steady_clock::now();
    const auto judged = answer(cases[i]);
    spent += std::chrono::steady_clock::now() - start;
    if (!judged.ok()) return absl::InvalidArgumentError(where + std::string(judged.status().message()));
    std::vector<std::string> row = {cases[i][id].get<std::string>(), judge::name_of(judged->classification)};
    if (by_rule) row.emplace_back(judged->critical ? "true" : "false");
    writer.write(row);
  }
  const double total = std::chrono::duration<double, std::milli>(spent).count();
  std::printf("%zu cases, %.3f ms a case\n", cases.size(),
              cases.empty() ? 0 : total / static_cast<double>(cases.size()));
  return writer.close();
}

}  // namespace

void add_judge(CLI::App& cli, Run& run) {
  auto* command =
      cli.add_subcommand("judge", "Baseline against canary: High, Low, Pass or Nodata, each case by itself");
  struct Paths {
    std::string in, out;
  };
  auto paths = std::make_shared<Paths>();
  command
      ->add_option(
          "--cases", paths->in,
          "JSON list of objects with id, baseline, canary and direction_bad; or with name, control, experiment "
          "and params, judged by the rule of rank intervals")
      ->required();
  command->add_option("--out", paths->out, "File for id,classification")->required();
  command->callback([paths, &run] {
    run = [paths] {
      const auto status = judge_all(paths->in, paths->out);
      return status.ok() ? 0 : fail(status);
    };
  });
}

}  // namespace gnomon::eval
