#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "coordinator/judge/compare.h"
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

judge::Harm harm_of(const Json& one) {
  const std::string direction = one.value("direction_bad", "");
  if (direction == "increase") return judge::Harm::kIncrease;
  if (direction == "decrease") return judge::Harm::kDecrease;
  return judge::Harm::kEither;
}

absl::StatusOr<judge::Comparison> compare(const Json& one) {
  const auto baseline = numbers(one, "baseline"), canary = numbers(one, "canary");
  if (!baseline.ok()) return baseline.status();
  if (!canary.ok()) return canary.status();
  const auto [control, treatment] = judge::samples_side_by_side(*baseline, *canary);
  return judge::compare(control, treatment, {.harm = harm_of(one)});
}

absl::Status judge_all(const std::string& in, const std::string& out) {
  const auto text = read_file(in);
  if (!text.ok()) return text.status();
  const Json cases = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!cases.is_array()) return absl::InvalidArgumentError(in + ": must be a JSON list of cases");
  CsvWriter writer(out, {"id", "classification"});
  std::chrono::steady_clock::duration spent{};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const std::string where = in + ": case " + std::to_string(i) + ": ";
    if (!cases[i].is_object() || !cases[i].contains("id") || !cases[i]["id"].is_string())
      return absl::InvalidArgumentError(where + "must be an object with a text 'id'");
    const auto start = std::chrono::steady_clock::now();
    const auto comparison = compare(cases[i]);
    spent += std::chrono::steady_clock::now() - start;
    if (!comparison.ok()) return absl::InvalidArgumentError(where + std::string(comparison.status().message()));
    writer.write({cases[i]["id"].get<std::string>(), judge::name_of(comparison->classification)});
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
  command->add_option("--cases", paths->in, "JSON list of objects with id, baseline, canary and direction_bad")
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
