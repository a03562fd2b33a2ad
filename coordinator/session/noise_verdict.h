#pragma once
// What a profile's noise makes a verdict expect, and what a session's checks of it leave of the verdict.

#include "coordinator/judge/judge.h"
#include "document/profile.h"
#include "gnomon/v1/query.pb.h"

namespace gnomon::session {

// Of what is on the paths to dependencies nothing is predicted: it depends on how often the service asks them.
judge::Expectation expected_of(const document::Profile& profile);

// Where the noise was not what the profile says, nothing is as expected: such a verdict becomes inconclusive, and each
// says so.
void take_checks_into_account(const v1::SessionStatus& status, v1::Verdict& verdict);

}  // namespace gnomon::session
