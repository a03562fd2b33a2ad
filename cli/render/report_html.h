#pragma once
// The report of one session: a self-contained page.

#include <string>

#include "cli/render/session_view.h"

namespace gnomon::cli {

// `version`: of the program that wrote it.
std::string report_html(const SessionView& view, const std::string& version);

}  // namespace gnomon::cli
