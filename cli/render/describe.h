#pragma once
// One session in full, for people.

#include <string>

#include "gnomon/v1/query.pb.h"

namespace gnomon::cli {

// State, limits, progress, counters and, when it has ended, the verdict. Lines end in '\n'.
std::string session_text(const v1::Session& session);

}  // namespace gnomon::cli
