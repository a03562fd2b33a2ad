#pragma once
// The end of a session, for people.

#include <string>

#include "cli/render/session_view.h"

namespace gnomon::cli {

// A table of metrics and one summary sentence, lines ending in '\n'. `color`: ANSI colours for the outcomes.
std::string verdict_text(const v1::Verdict& verdict, bool color);
// Why a session failed, with its shadow's last lines.
std::string failure_text(const v1::Session& session);

}  // namespace gnomon::cli
