#pragma once
// The report's charts, from a session's points.

#include <vector>

#include "cli/render/chart.h"
#include "cli/render/session_view.h"

namespace gnomon::cli {

// Spans of control and treatment, in seconds since `start_unix_ms`, as the shadow's points tell.
std::vector<Band> block_bands(const SessionView& view, std::int64_t start_unix_ms);

// Service time, response time, request rate, CPU, throttling and errors. At most `max_points` a line: a longer session
// shows for each span the highest value in it.
std::vector<Chart> report_charts(const SessionView& view, std::size_t max_points);

}  // namespace gnomon::cli
