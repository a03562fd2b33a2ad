#pragma once
// What came of comparing the shadow's responses with production's, for people.

#include <cstdint>
#include <string>
#include <vector>

#include "gnomon/v1/control.pb.h"

namespace gnomon::cli {

struct ResponseRow {
  std::string endpoint;
  std::uint64_t same = 0, other_status = 0, other_size = 0, other_body = 0;
  std::string not_compared;  // "3 lost, 1 unpaired", or "-"
};
// By class of endpoint: those of which most differ first, else by name.
std::vector<ResponseRow> response_rows(const v1::SessionStatus& status);

// What there is to know of the outcomes that occur, a sentence each.
std::vector<std::string> response_notes(const v1::SessionStatus& status);

// Both, or why there is nothing; empty if responses are not compared.
std::string responses_text(const v1::SessionStatus& status);

// "of 1200 compared 3 differ from production's (GET /users/{} 2, GET / 1); not compared: 5 lost", in one
// line; empty if responses are not compared.
std::string responses_summary(const v1::SessionStatus& status);

}  // namespace gnomon::cli
