#pragma once
// A coordinator's sessions, in memory, and the agent of one node.

#include <memory>
#include <string>
#include <vector>

#include "coordinator/session/sessions.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon::session {

class TestClock final : public Clock {
 public:
  MonoTime now() const override { return MonoTime(elapsed); }
  WallTime wall_now() const override { return WallTime(elapsed); }
  Nanos elapsed = std::chrono::hours(1);
};

class Agent final : public NodeListener {
 public:
  void on_desired(const v1::DesiredState& state) override { states.push_back(state); }
  void on_replaced() override { replaced = true; }
  std::vector<v1::DesiredState> states;
  bool replaced = false;
};

inline v1::ApplyRequest request(const std::string& service = "web", std::int64_t duration_ms = 15'000) {
  v1::ApplyRequest request;
  v1::ServiceDescriptor& descriptor = *request.add_services();
  descriptor.set_name(service);
  descriptor.mutable_discovery()->set_port(8080);
  request.add_profiles()->set_service_descriptor(service);
  request.set_session_duration_ms(duration_ms);
  return request;
}

inline v1::Hello hello(const std::string& node) {
  v1::Hello hello;
  hello.set_node(node);
  return hello;
}

inline v1::NodeStatus with_instance(const std::string& service = "web") {
  v1::NodeStatus status;
  status.add_instances()->set_service(service);
  return status;
}

inline v1::NodeStatus with_session(const std::string& id, v1::SessionState state,
                                   const std::vector<int>& completed = {}) {
  v1::NodeStatus status = with_instance();
  v1::SessionStatus& session = *status.add_sessions();
  session.set_id(id);
  session.set_state(state);
  for (int block : completed) session.add_completed_blocks(block);
  return status;
}

inline v1::SampleBatch batch(const std::string& id, std::uint64_t sequence, int block, std::int64_t end_unix_ms) {
  v1::SampleBatch batch;
  batch.set_sequence(sequence);
  v1::Sample& sample = *batch.add_samples();
  sample.set_session_id(id);
  sample.set_role(v1::ROLE_SHADOW);
  sample.set_block(block);
  sample.set_settled(true);
  sample.set_end_unix_ms(end_unix_ms);
  sample.set_span_ns(1'000'000'000);
  sample.set_requests(500);
  sample.set_replayed(500);
  for (v1::Histogram* histogram : {sample.mutable_service_time(), sample.mutable_response_time()}) {
    histogram->add_bucket_delta(500);
    histogram->add_count(500);
  }
  sample.mutable_replay()->set_answered(500);
  return batch;
}

inline std::vector<int> all_blocks(const v1::Session& session) {
  std::vector<int> blocks;
  for (const v1::Block& block : session.spec().blocks()) blocks.push_back(block.index());
  return blocks;
}

class SessionsTest : public ::testing::Test {
 protected:
  SessionsTest() : store(*store::Store::open(":memory:")) { restart(); }

  // A coordinator that starts on the same store.
  void restart() { sessions = *Sessions::create(*store, clock, 1); }

  // Applied, placed on node n1, whose agent is connected.
  std::string placed_session() {
    EXPECT_TRUE(sessions->connect(hello("n1"), agent).ok());
    const auto applied = sessions->apply(request());
    EXPECT_TRUE(applied.ok()) << applied.status();
    EXPECT_TRUE(sessions->report("n1", with_instance()).ok());
    return applied->sessions(0);
  }

  v1::Session get(const std::string& id, bool with_samples = false) { return *sessions->get(id, with_samples); }

  TestClock clock;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<Sessions> sessions;
  Agent agent;
};

}  // namespace gnomon::session
