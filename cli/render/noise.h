#pragma once
// Was the noise what was asked for?

#include <string>

#include "gnomon/v1/control.pb.h"

namespace gnomon::cli {

// A table of what was asked for and what was measured; empty where nothing was checked yet.
std::string noise_checks_text(const v1::SessionStatus& status);

}  // namespace gnomon::cli
