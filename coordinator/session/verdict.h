#pragma once
// From a session's stored samples to its verdict: the edge between messages and the judge.

#include <vector>

#include "absl/status/statusor.h"
#include "gnomon/v1/query.pb.h"

namespace gnomon::session {

// Judges the settled samples of the shadow in completed blocks against what the session's profile predicts. A session
// that failed never passes. Errors: a profile, service or sample that does not validate.
absl::StatusOr<v1::Verdict> judge_session(const v1::Session& session, const std::vector<v1::Sample>& samples);

}  // namespace gnomon::session
