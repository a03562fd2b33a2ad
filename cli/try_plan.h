#pragma once
// What `gnomon try` was asked to do: flags and profile, checked before anything is started.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/session/credentials.h"
#include "agent/shadow/shadow.h"
#include "common/units.h"
#include "document/profile.h"
#include "document/service.h"
#include "gnomon/v1/query.pb.h"

namespace gnomon::cli {

struct TryOptions {  // as typed
  unsigned port = 0, pid = 0;
  std::string fraction, profile, duration = "60s", report, output = "table", budget_cpu, budget_memory,
                                 log_level = "error", credentials = session::kCredentials;
  std::vector<std::string> replay_writes;
  std::string protocol, max_cost, compare_responses, compare_bytes;
  bool stay = false, exit_code = false;
};

struct TryPlan {
  v1::ApplyRequest request;   // one service, one profile
  document::Service service;  // the same, validated
  document::Profile profile;
  shadow::Budget budget;  // zero: the agent's default
};

// Errors of flags are kInvalidArgument and name the flag; those of the profile's file are kFailedPrecondition.
absl::StatusOr<TryPlan> plan_try(const TryOptions& options);

// That a report can be written to `path` later. Leaves no file behind that was not there.
absl::Status check_writable(const std::string& path);

}  // namespace gnomon::cli
