#include "telemetry/sample.h"

namespace gnomon::telemetry {

TapCounters& TapCounters::operator+=(const TapCounters& other) {
  connections += other.connections;
  sampled_connections += other.sampled_connections;
  bytes += other.bytes;
  requests += other.requests;
  lost_records += other.lost_records;
  lost_bytes += other.lost_bytes;
  broken_streams += other.broken_streams;
  unparsable_streams += other.unparsable_streams;
  truncated_requests += other.truncated_requests;
  oversized_requests += other.oversized_requests;
  return *this;
}

ReplayCounters& ReplayCounters::operator+=(const ReplayCounters& other) {
  offered += other.offered;
  copies += other.copies;
  answered += other.answered;
  status_5xx += other.status_5xx;
  refused += other.refused;
  reset += other.reset;
  timed_out += other.timed_out;
  shed += other.shed;
  cancelled += other.cancelled;
  late += other.late;
  return *this;
}

}  // namespace gnomon::telemetry
