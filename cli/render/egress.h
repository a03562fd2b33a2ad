#pragma once
// What a shadow wanted to reach beyond its own network.

#include <string>

#include "gnomon/v1/control.pb.h"

namespace gnomon::cli {

// A line for each destination, most often first; empty where nothing was asked for.
std::string egress_text(const v1::SessionStatus& status);

}  // namespace gnomon::cli
