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
  unjoinable_streams += other.unjoinable_streams;
  withheld_writes += other.withheld_writes;
  return *this;
}

ReplayCounters& ReplayCounters::operator+=(const ReplayCounters& other) {
  offered += other.offered;
  copies += other.copies;
  answered += other.answered;
  error_answers += other.error_answers;
  refused += other.refused;
  reset += other.reset;
  timed_out += other.timed_out;
  shed += other.shed;
  cancelled += other.cancelled;
  late += other.late;
  return *this;
}

}  // namespace gnomon::telemetry
