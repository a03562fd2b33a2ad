#pragma once
// What a session costs production, for people.

#include <string>

#include "gnomon/v1/control.pb.h"

namespace gnomon::cli {

// "p99 +7.4% (+5.1% to +9.8%): 1.3 ms, 1.2 ms in 24 pauses; bound 2%"; empty while nothing is known.
std::string production_cost(const v1::SessionStatus& status);
// "throttled 2% of the time, 1% in pauses; 0.1% of captured bytes lost, 0% in pauses"; empty where nothing was.
std::string production_throttling(const v1::SessionStatus& status);

}  // namespace gnomon::cli
