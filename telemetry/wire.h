#pragma once
// Samples to and from their wire form. The only place that knows both.

#include "absl/status/statusor.h"
#include "gnomon/v1/telemetry.pb.h"
#include "telemetry/sample.h"

namespace gnomon::telemetry {

v1::Histogram to_wire(const Histogram& histogram);
// Malformed input (unequal lengths, buckets beyond the layout) is kInvalidArgument.
absl::StatusOr<Histogram> from_wire(const v1::Histogram& wire);

v1::TapCounters to_wire(const TapCounters& counters);
v1::ReplayCounters to_wire(const ReplayCounters& counters);
TapCounters from_wire(const v1::TapCounters& wire);
ReplayCounters from_wire(const v1::ReplayCounters& wire);

v1::Sample to_wire(const Sample& sample);
absl::StatusOr<Sample> from_wire(const v1::Sample& wire);

}  // namespace gnomon::telemetry
