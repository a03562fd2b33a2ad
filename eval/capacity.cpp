// Latency and the highest rate within an objective, from load tests.

#include "coordinator/capacity/capacity_model.h"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "eval/command.h"
#include "eval/csv.h"
#include "eval/questions.h"

namespace gnomon::eval {
namespace {

using capacity::CapacityModel;
using capacity::Estimate;
using capacity::Quantile;

constexpr double kMilli = 1e-3;

struct Files {
  std::string load_tests, questions, out;
};

absl::StatusOr<std::vector<capacity::Window>> read_windows(const std::string& path) {
  const auto csv = read_csv(path);
  if (!csv.ok()) return csv.status();
  constexpr const char* kTitles[] = {"offered_rps", "achieved_rps", "mean_ms", "p50_ms",
                                     "p95_ms",      "p99_ms",       "n",       "busy_frac"};
  std::size_t columns[std::size(kTitles)];
  for (std::size_t i = 0; i < std::size(kTitles); ++i) {
    const auto column = csv->column(kTitles[i]);
    if (!column.ok()) return column.status();
    columns[i] = *column;
  }
  std::vector<capacity::Window> windows;
  for (const Csv::Row& row : csv->rows) {
    double values[std::size(kTitles)];
    for (std::size_t i = 0; i < std::size(kTitles); ++i) {
      const auto value = csv->number(row, columns[i]);
      if (!value.ok()) return value.status();
      values[i] = *value;
    }
    windows.push_back({values[0], values[1], values[2] * kMilli, values[3] * kMilli, values[4] * kMilli,
                       values[5] * kMilli, values[6], values[7], 0});
  }
  return windows;
}

std::string milliseconds(double seconds) {
  return to_field(seconds / kMilli);
}

std::string interval(const Estimate& estimate, double unit) {
  char text[80];
  std::snprintf(text, sizeof text, "%.5g (%.5g to %.5g)", estimate.value / unit, estimate.low / unit,
                estimate.high / unit);
  return text;
}

absl::Status answer(const CapacityQuestion& question, const Files& files, CsvWriter& out) {
  const std::string& scenario = question.scenario;
  const auto windows = read_windows(files.load_tests + "/" + scenario + ".csv");
  if (!windows.ok()) return windows.status();
  const auto model = CapacityModel::fit(*windows);
  if (!model.ok())
    return absl::InvalidArgumentError(absl::StrCat(scenario, ": ", std::string(model.status().message())));
  std::vector<std::string> row{scenario};
  Estimate latency;
  for (const double rate : question.rates) {
    latency = model->latency(rate, Quantile::kP99);
    row.push_back(milliseconds(latency.value));
  }
  const auto limit = model->max_rate(question.objective_ms * kMilli, Quantile::kP99);
  if (!limit.ok())
    return absl::InvalidArgumentError(absl::StrCat(scenario, ": ", std::string(limit.status().message())));
  row.push_back(to_field(limit->rate.value));
  out.write(row);
  const auto knee = model->knee();
  std::printf("%-10s %3d servers%s, capacity %s, p99 at the last rate %s ms, max rate %s%s, knee %s\n",
              scenario.c_str(), model->station().servers, model->station().interrupted ? " with interruptions" : "",
              interval(model->capacity(), 1).c_str(), interval(latency, kMilli).c_str(),
              interval(limit->rate, 1).c_str(), limit->extrapolated ? " (beyond what was tested)" : "",
              knee ? interval(*knee, 1).c_str() : "not shown");
  return absl::OkStatus();
}

absl::Status answer_all(const Files& files) {
  const auto text = read_file(files.questions);
  if (!text.ok()) return text.status();
  const auto questions = parse_questions(*text, files.questions);
  if (!questions.ok()) return questions.status();
  CsvWriter out(files.out, {"scenario", "p99_70", "p99_80", "p99_90", "max_rps"});
  for (const CapacityQuestion& question : *questions)
    if (auto status = answer(question, files, out); !status.ok()) return status;
  return out.close();
}

}  // namespace

void add_capacity(CLI::App& cli, Run& run) {
  CLI::App* command = cli.add_subcommand(
      "capacity",
      "Fits each load test and answers its questions: p99 at three rates, and the highest rate within the objective.\n"
      "Writes scenario,p99_70,p99_80,p99_90,max_rps; prints intervals.\nExample: gnomon-eval capacity --loadtests "
      "loadtests --questions questions.json --out P.csv");
  const auto files = std::make_shared<Files>();
  command->add_option("--loadtests", files->load_tests, "Directory of <scenario>.csv")->required();
  command->add_option("--questions", files->questions, "JSON: by scenario, rates 0.70, 0.80, 0.90 and slo_p99_ms")
      ->required();
  command->add_option("--out", files->out, "CSV to write")->required();
  command->callback([&run, files] {
    run = [files] {
      const absl::Status status = answer_all(*files);
      return status.ok() ? 0 : fail(status);
    };
  });
}

}  // namespace gnomon::eval
