#pragma once
// What came of comparing the shadow's responses with production's, for people.

#include <string>

#include "gnomon/v1/control.pb.h"

namespace gnomon::cli {

// A table by class of endpoint, or why there is none; empty if responses are not compared.
std::string responses_text(const v1::SessionStatus& status);

// "of 1200 responses compared 3 differ, 5 were not compared", in one line; empty if responses are not compared.
std::string responses_summary(const v1::SessionStatus& status);

}  // namespace gnomon::cli
