#include "telemetry/wire.h"

#include "bpf/abi/histogram.h"
#include "gtest/gtest.h"

namespace gnomon::telemetry {
namespace {

using std::chrono::milliseconds;

// Another value for each.
template <class Set>
void number(Set& counters) {
  std::uint64_t next = 1;
  for (const auto& counter : counters_of<Set>()) counters.*counter.value = next++;
}

Sample full_sample() {
  Sample sample{
      .session_id = "s-1", .role = Role::kShadow, .end = WallTime(milliseconds(1234)), .span = milliseconds(998)};
  sample.block = 3;
  sample.settled = true;
  for (int i = 0; i < 50; ++i) sample.service_time.record(milliseconds(i), 3);
  sample.response_time.record(Nanos(7));
  sample.response_time.record(std::chrono::hours(1));
  sample.requests = 150;
  sample.errors = 2;
  sample.replayed = 151;
  sample.replay_errors = 9;
  sample.injected_errors = 4;
  sample.cpu = milliseconds(70);
  sample.throttled = milliseconds(5);
  sample.throttles = 4;
  sample.memory_bytes = 1 << 20;
  number(sample.tap);
  number(sample.replay);
  return sample;
}

TEST(Wire, ASampleComesBackAsItWas) {
  const Sample sample = full_sample();
  const auto back = from_wire(to_wire(sample));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->session_id, sample.session_id);
  EXPECT_EQ(back->role, sample.role);
  EXPECT_EQ(back->end, sample.end);
  EXPECT_EQ(back->span, sample.span);
  EXPECT_EQ(back->block, sample.block);
  EXPECT_EQ(back->settled, sample.settled);
  EXPECT_EQ(back->service_time, sample.service_time);
  EXPECT_EQ(back->response_time, sample.response_time);
  EXPECT_EQ(back->requests, sample.requests);
  EXPECT_EQ(back->errors, sample.errors);
  EXPECT_EQ(back->replayed, sample.replayed);
  EXPECT_EQ(back->replay_errors, sample.replay_errors);
  EXPECT_EQ(back->injected_errors, sample.injected_errors);
  EXPECT_EQ(back->cpu, sample.cpu);
  EXPECT_EQ(back->throttled, sample.throttled);
  EXPECT_EQ(back->throttles, sample.throttles);
  EXPECT_EQ(back->memory_bytes, sample.memory_bytes);
  EXPECT_EQ(back->tap, sample.tap);
  EXPECT_EQ(back->replay, sample.replay);
}

TEST(Wire, EachFieldIsACounter) {
  EXPECT_EQ(counters_of<TapCounters>().size(), static_cast<std::size_t>(v1::TapCounters::descriptor()->field_count()));
  EXPECT_EQ(counters_of<ReplayCounters>().size(),
            static_cast<std::size_t>(v1::ReplayCounters::descriptor()->field_count()));
}

TEST(Counters, DifferenceAndSumUndoEachOther) {
  TapCounters earlier, between;
  number(earlier);
  number(between);
  TapCounters later = earlier;
  later += between;
  EXPECT_EQ(later.status_unknown, 2 * earlier.status_unknown);
  EXPECT_EQ(difference(later, earlier), between);
}

TEST(Wire, AnEmptyHistogramStaysEmpty) {
  const auto back = from_wire(to_wire(Histogram()));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(*back, Histogram());
}

TEST(Wire, HistogramsThatNoAgentCouldHaveMadeAreRejected) {
  v1::Histogram unequal;
  unequal.add_bucket_delta(1);
  EXPECT_EQ(from_wire(unequal).status().code(), absl::StatusCode::kInvalidArgument);

  v1::Histogram beyond;
  beyond.add_bucket_delta(HISTOGRAM_BUCKETS);
  beyond.add_count(1);
  EXPECT_EQ(from_wire(beyond).status().code(), absl::StatusCode::kInvalidArgument);

  v1::Histogram wraps;  // two deltas whose 32-bit sum would be small again
  wraps.add_bucket_delta(5);
  wraps.add_count(1);
  wraps.add_bucket_delta(0xffffffff);
  wraps.add_count(1);
  EXPECT_EQ(from_wire(wraps).status().code(), absl::StatusCode::kInvalidArgument);

  v1::Histogram twice;
  twice.add_bucket_delta(5);
  twice.add_count(1);
  twice.add_bucket_delta(0);
  twice.add_count(1);
  EXPECT_EQ(from_wire(twice).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(Wire, ASampleErrorNamesTheField) {
  v1::Sample wire = to_wire(full_sample());
  wire.mutable_response_time()->add_count(1);
  EXPECT_NE(std::string(from_wire(wire).status().message()).find("response_time"), std::string::npos);
  wire = to_wire(full_sample());
  wire.set_role(v1::ROLE_UNSPECIFIED);
  EXPECT_NE(std::string(from_wire(wire).status().message()).find("role"), std::string::npos);
  wire = to_wire(full_sample());
  wire.set_span_ns(-1);
  EXPECT_EQ(from_wire(wire).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace gnomon::telemetry
