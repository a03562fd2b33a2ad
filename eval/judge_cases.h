#pragma once
// The cases that the judge is asked about, as a file has them.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/judge/rule.h"

namespace gnomon::eval {

struct JudgeCase {
  std::string id;
  std::vector<double> control, treatment;  // NaN for a value that is missing
  judge::Harm harm = judge::Harm::kEither;
  std::optional<judge::Rule> rule;  // that judges it instead of the project's judge
  bool by_means = false;            // or, with a rule, the means alone
};

// A JSON list of objects with id, baseline, canary and direction_bad; or with name, control, experiment and params,
// which are a rule's. InvalidArgument "<name>: case <index>: <what>".
absl::StatusOr<std::vector<JudgeCase>> parse_judge_cases(std::string_view text, const std::string& name);

}  // namespace gnomon::eval
