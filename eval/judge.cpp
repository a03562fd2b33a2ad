#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "coordinator/judge/compare.h"
#include "coordinator/judge/rule.h"
#include "eval/command.h"
#include "eval/csv.h"
#include "eval/judge_cases.h"

namespace gnomon::eval {
namespace {

struct Answer {
  judge::Classification classification = judge::Classification::kNoData;
  bool critical = false;
};

Answer answer(const JudgeCase& one) {
  const auto [control, treatment] = judge::samples_side_by_side(one.control, one.treatment);
  if (!one.rule) return {.classification = judge::compare(control, treatment, {.harm = one.harm}).classification};
  const auto verdict = one.by_means ? judge::classify_by_means(control, treatment)
                                    : judge::classify_by_rule(control, treatment, *one.rule);
  return {.classification = verdict.classification, .critical = verdict.critical};
}

absl::Status judge_all(const std::string& in, const std::string& out) {
  const auto text = read_file(in);
  if (!text.ok()) return text.status();
  const auto cases = parse_judge_cases(*text, in);
  if (!cases.ok()) return cases.status();
  const bool by_rule = !cases->empty() && cases->front().rule;
  std::vector<std::string> header = {"id", "classification"};
  if (by_rule) header.emplace_back("critical");
  CsvWriter writer(out, header);
  std::chrono::steady_clock::duration spent{};
  for (const JudgeCase& one : *cases) {
    const auto start = std::chrono::steady_clock::now();
    const Answer judged = answer(one);
    spent += std::chrono::steady_clock::now() - start;
    std::vector<std::string> row = {one.id, judge::name_of(judged.classification)};
    if (by_rule) row.emplace_back(judged.critical ? "true" : "false");
    writer.write(row);
  }
  const double total = std::chrono::duration<double, std::milli>(spent).count();
  std::printf("%zu cases, %.3f ms a case\n", cases->size(),
              cases->empty() ? 0 : total / static_cast<double>(cases->size()));
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
