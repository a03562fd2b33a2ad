// Arbitrary bytes as what gnomon-eval is asked: cases for the judge, origins of forecasts, questions about load tests.
// What is taken is within the bounds that the models rely on; errors name the file.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "eval/judge_cases.h"
#include "eval/questions.h"

namespace {

using namespace gnomon::eval;

void require(bool condition) {
  if (!condition) std::abort();
}

void require_named(const absl::Status& status) {
  require(absl::IsInvalidArgument(status) && status.message().substr(0, 5) == "file:");
}

void check_cases(const std::string& text) {
  const auto cases = parse_judge_cases(text, "file");
  if (!cases.ok()) return require_named(cases.status());
  for (const JudgeCase& one : *cases) require(one.rule || !one.by_means);
}

void check_origins(const std::string& text) {
  const auto asked = parse_origins(text, "file");
  if (!asked.ok()) return require_named(asked.status());
  require(asked->period >= 2 && asked->period <= kLongestPeriod && !asked->horizons.empty());
  require(std::is_sorted(asked->origins.begin(), asked->origins.end()));
  for (const int horizon : asked->horizons) require(horizon >= 1 && horizon <= kLongestHorizon);
}

void check_questions(const std::string& text) {
  const auto questions = parse_questions(text, "file");
  if (!questions.ok()) return require_named(questions.status());
  for (const CapacityQuestion& question : *questions) {
    require(std::isfinite(question.objective_ms) && question.objective_ms > 0);
    for (const double rate : question.rates) require(std::isfinite(rate) && rate > 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check_cases(text);
  check_origins(text);
  check_questions(text);
  return 0;
}
