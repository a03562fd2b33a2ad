#pragma once
// Small pieces of text that every rendering shares.

#include <cstdint>
#include <optional>
#include <string>

#include "common/units.h"
#include "gnomon/v1/query.pb.h"

namespace gnomon::cli {

// Foreign text for a terminal: control characters become '?'.
std::string printable(const std::string& text);

// "1234", "61.2": requests a second.
std::string format_rate(double per_second);
// A duration, or "-" for none.
std::string format_optional(const std::optional<Nanos>& duration);
std::string format_optional_share(const std::optional<double>& share);

// A value of a metric in its unit ("ns", "ratio", "bytes"), and a difference, with its sign.
std::string format_metric(const std::string& unit, double value);
std::string format_shift(const std::string& unit, double value);
// "response_time_p50" is "response time p50".
std::string metric_name(const std::string& metric);
std::string outcome_name(v1::Outcome outcome);

// "2026-11-24 06:46:39" in UTC; 0: "-".
std::string format_time(std::int64_t unix_ms);

// Any message as JSON with the schema's field names.
std::string to_json(const google::protobuf::Message& message);

}  // namespace gnomon::cli
