#pragma once
// What the coordinator shows to Prometheus.

#include "coordinator/session/sessions.h"
#include "telemetry/exposition.h"

namespace gnomon::api {

// Of sessions that have not ended, or not for longer than kShownAfterEnd: a scrape gets what was counted last, and the
// number of series stays bounded.
inline constexpr std::chrono::minutes kShownAfterEnd{10};
telemetry::Families metrics(session::Sessions& sessions, WallTime now);

}  // namespace gnomon::api
