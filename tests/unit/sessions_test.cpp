#include "coordinator/session/sessions.h"

#include <algorithm>
#include <set>

#include "coordinator/session/block_plan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon::session {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

class Watch final : public Watcher {
 public:
  void on_event(const v1::Session& session, const std::vector<v1::Sample>& new_samples) override {
    states.push_back(session.status().state());
    samples += new_samples.size();
    ended = session.ended_unix_ms() != 0;
  }
  std::vector<v1::SessionState> states;
  std::size_t samples = 0;
  bool ended = false;
};

v1::ApplyRequest request(const std::string& service = "web", std::int64_t duration_ms = 15'000) {
  v1::ApplyRequest request;
  v1::ServiceDescriptor& descriptor = *request.add_services();
  descriptor.set_name(service);
  descriptor.mutable_discovery()->set_port(8080);
  request.add_profiles()->set_service_descriptor(service);
  request.set_session_duration_ms(duration_ms);
  return request;
}

v1::Hello hello(const std::string& node) {
  v1::Hello hello;
  hello.set_node(node);
  return hello;
}

v1::NodeStatus with_instance(const std::string& service = "web") {
  v1::NodeStatus status;
  status.add_instances()->set_service(service);
  return status;
}

v1::NodeStatus with_session(const std::string& id, v1::SessionState state, const std::vector<int>& completed = {}) {
  v1::NodeStatus status = with_instance();
  v1::SessionStatus& session = *status.add_sessions();
  session.set_id(id);
  session.set_state(state);
  for (int block : completed) session.add_completed_blocks(block);
  return status;
}

v1::SampleBatch batch(const std::string& id, std::uint64_t sequence, int block, std::int64_t end_unix_ms) {
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

std::vector<int> all_blocks(const v1::Session& session) {
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

TEST(BlockPlan, AMinuteIsSevenPairsAfterFiveSecondsOfWarmUp) {
  const auto plan = *plan_blocks(seconds(60), 1);
  EXPECT_EQ(plan.warm_up, seconds(5));
  EXPECT_EQ(plan.blocks.size(), 14u);
  EXPECT_EQ(plan.block, milliseconds(55'000 / 14));
  EXPECT_LE(plan.settle, seconds(1));
  EXPECT_EQ(plan.settle, plan.block / 4);
}

TEST(BlockPlan, EveryPairHasOneOfEachAndTheOrderFollowsTheSeed) {
  std::set<bool> first_is_treatment;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    const auto plan = *plan_blocks(seconds(120), seed);
    ASSERT_EQ(plan.blocks.size(), 24u);
    for (std::size_t i = 0; i < plan.blocks.size(); i += 2) {
      EXPECT_EQ(plan.blocks[i].pair, plan.blocks[i + 1].pair);
      EXPECT_NE(plan.blocks[i].treatment, plan.blocks[i + 1].treatment);
      first_is_treatment.insert(plan.blocks[i].treatment);
      EXPECT_EQ(plan.blocks[i].treatment, plan_blocks(seconds(120), seed)->blocks[i].treatment);
    }
  }
  EXPECT_EQ(first_is_treatment.size(), 2u);
}

TEST(BlockPlan, BlocksFillTheTimeAndTooLittleTimeIsAnError) {
  for (int duration : {15, 16, 30, 100, 3600}) {
    const auto plan = *plan_blocks(seconds(duration), 1);
    EXPECT_GE(plan.blocks.size(), 6u);
    const auto total = plan.warm_up + plan.block * static_cast<int>(plan.blocks.size());
    EXPECT_LE(total, seconds(duration));
    EXPECT_GE(total, seconds(duration) - milliseconds(30));
  }
  EXPECT_EQ(plan_blocks(milliseconds(14'999), 1).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SessionsTest, ASessionWaitsUntilANodeReportsAnInstance) {
  const auto applied = sessions->apply(request());
  ASSERT_TRUE(applied.ok()) << applied.status();
  const std::string id = applied->sessions(0);
  EXPECT_EQ(get(id).status().state(), v1::SESSION_STATE_PENDING);
  EXPECT_THAT(get(id).status().message(), HasSubstr("waiting for a node"));

  ASSERT_TRUE(sessions->connect(hello("n1"), agent).ok());
  v1::NodeStatus without = with_instance();
  without.mutable_instances(0)->set_error("nothing listens on 8080");
  ASSERT_TRUE(sessions->report("n1", without).ok());
  EXPECT_EQ(get(id).node(), "");
  EXPECT_THAT(get(id).status().message(), HasSubstr("nothing listens on 8080"));
  EXPECT_EQ(agent.states.back().services(0).name(), "web");
  EXPECT_EQ(agent.states.back().sessions_size(), 0);

  ASSERT_TRUE(sessions->report("n1", with_instance()).ok());
  EXPECT_EQ(get(id).node(), "n1");
  ASSERT_EQ(agent.states.back().sessions_size(), 1);
  EXPECT_EQ(agent.states.back().sessions(0).id(), id);
  EXPECT_EQ(agent.states.back().sessions(0).blocks_size(), 6);
}

TEST_F(SessionsTest, TheRevisionGrowsWithEveryChangeAndSurvivesARestart) {
  placed_session();
  for (std::size_t i = 1; i < agent.states.size(); ++i)
    EXPECT_GT(agent.states[i].revision(), agent.states[i - 1].revision());
  const std::uint64_t last = agent.states.back().revision();
  restart();
  Agent again;
  ASSERT_TRUE(sessions->connect(hello("n1"), again).ok());
  ASSERT_EQ(again.states.size(), 1u);
  EXPECT_EQ(again.states[0].revision(), last);  // nothing has changed
  EXPECT_EQ(again.states[0].sessions_size(), 1);
}

TEST_F(SessionsTest, SessionsOfOneServiceSpreadOverItsNodes) {
  Agent other;
  ASSERT_TRUE(sessions->connect(hello("n1"), agent).ok());
  ASSERT_TRUE(sessions->connect(hello("n2"), other).ok());
  ASSERT_TRUE(sessions->report("n1", with_instance()).ok());
  ASSERT_TRUE(sessions->report("n2", with_instance()).ok());
  const std::string first = sessions->apply(request())->sessions(0), second = sessions->apply(request())->sessions(0);
  EXPECT_NE(first, second);
  EXPECT_NE(get(first).node(), get(second).node());
}

TEST_F(SessionsTest, ANodeThatComesBackGetsTheBlocksItHasCompleted) {
  const std::string id = placed_session();
  ASSERT_TRUE(sessions->report("n1", with_session(id, v1::SESSION_STATE_RUNNING, {0, 1})).ok());
  sessions->disconnect("n1", agent);
  restart();
  Agent again;
  ASSERT_TRUE(sessions->connect(hello("n1"), again).ok());
  EXPECT_THAT(again.states.back().sessions(0).completed_blocks(), ElementsAre(0, 1));
  // A fresh agent that says that it has completed nothing takes nothing back.
  ASSERT_TRUE(sessions->report("n1", with_session(id, v1::SESSION_STATE_STARTING)).ok());
  EXPECT_THAT(get(id).status().completed_blocks(), ElementsAre(0, 1));
}

TEST_F(SessionsTest, SamplesOfAnInterruptedBlockDoNotCount) {
  const std::string id = placed_session();
  ASSERT_TRUE(sessions->report("n1", with_session(id, v1::SESSION_STATE_RUNNING, {0})).ok());
  ASSERT_TRUE(sessions->add_samples("n1", batch(id, 1, 0, 1000)).ok());
  ASSERT_TRUE(sessions->add_samples("n1", batch(id, 2, 1, 2000)).ok());
  ASSERT_TRUE(sessions->report("n1", with_session(id, v1::SESSION_STATE_STARTING)).ok());
  const v1::Session session = get(id, true);
  ASSERT_EQ(session.samples_size(), 2);
  EXPECT_TRUE(session.samples(0).settled());
  EXPECT_FALSE(session.samples(1).settled());
}

TEST_F(SessionsTest, ABatchThatComesTwiceIsCountedOnce) {
  const std::string id = placed_session();
  ASSERT_TRUE(sessions->add_samples("n1", batch(id, 1, 0, 1000)).ok());
  ASSERT_TRUE(sessions->add_samples("n1", batch(id, 1, 0, 1000)).ok());
  EXPECT_EQ(get(id, true).samples_size(), 1);
  EXPECT_EQ(get(id).replay().answered(), 500u);
}

TEST_F(SessionsTest, SamplesOfNoSessionOfTheNodeAreLeftOutAndCounted) {
  const std::string id = placed_session();
  Agent other;
  ASSERT_TRUE(sessions->connect(hello("n2"), other).ok());
  EXPECT_TRUE(sessions->add_samples("n2", batch(id, 1, 0, 1000)).ok());
  EXPECT_TRUE(sessions->add_samples("n1", batch("s-nope", 1, 0, 1000)).ok());
  v1::SampleBatch malformed = batch(id, 2, 0, 1000);
  malformed.mutable_samples(0)->mutable_service_time()->add_count(1);
  EXPECT_TRUE(sessions->add_samples("n1", malformed).ok());
  EXPECT_EQ(sessions->rejected_samples(), 3u);
  v1::NodeStatus status;
  status.set_dropped_samples(7);
  EXPECT_TRUE(sessions->report("n1", status).ok());
  const auto nodes = sessions->list_nodes();
  EXPECT_EQ(nodes->nodes(0).rejected_samples(), 2u);
  EXPECT_EQ(nodes->nodes(0).dropped_samples(), 7u);
  EXPECT_EQ(nodes->nodes(1).rejected_samples(), 1u);
  EXPECT_EQ(get(id, true).samples_size(), 0);
}

TEST_F(SessionsTest, ACompletedSessionIsJudgedAndLeavesTheDesiredState) {
  const std::string id = placed_session();
  const std::vector<int> blocks = all_blocks(get(id));
  for (int block : blocks)
    ASSERT_TRUE(
        sessions->add_samples("n1", batch(id, static_cast<std::uint64_t>(block + 1), block, 1000 * block)).ok());
  ASSERT_TRUE(sessions->report("n1", with_session(id, v1::SESSION_STATE_COMPLETED, blocks)).ok());
  const v1::Session session = get(id);
  EXPECT_EQ(session.status().state(), v1::SESSION_STATE_COMPLETED);
  EXPECT_NE(session.ended_unix_ms(), 0);
  EXPECT_EQ(session.verdict().outcome(), v1::OUTCOME_AS_EXPECTED) << session.verdict().summary();
  EXPECT_EQ(session.verdict().metrics(0).pairs(), 3u);
  EXPECT_EQ(agent.states.back().sessions_size(), 0);
  restart();
  EXPECT_EQ(get(id).verdict().outcome(), v1::OUTCOME_AS_EXPECTED);
}

TEST_F(SessionsTest, SamplesThatComeAfterTheEndChangeTheVerdict) {
  const std::string id = placed_session();
  const std::vector<int> blocks = all_blocks(get(id));
  ASSERT_TRUE(sessions->report("n1", with_session(id, v1::SESSION_STATE_COMPLETED, blocks)).ok());
  EXPECT_EQ(get(id).verdict().outcome(), v1::OUTCOME_INCONCLUSIVE);
  for (int block : blocks)
    ASSERT_TRUE(
        sessions->add_samples("n1", batch(id, static_cast<std::uint64_t>(block + 1), block, 1000 * block)).ok());
  EXPECT_EQ(get(id).verdict().outcome(), v1::OUTCOME_AS_EXPECTED) << get(id).verdict().summary();
}

TEST_F(SessionsTest, AFailedSessionNeverPasses) {
  const std::string id = placed_session();
  const std::vector<int> blocks = all_blocks(get(id));
  for (int block : blocks)
    ASSERT_TRUE(
        sessions->add_samples("n1", batch(id, static_cast<std::uint64_t>(block + 1), block, 1000 * block)).ok());
  v1::NodeStatus failed = with_session(id, v1::SESSION_STATE_FAILED, blocks);
  failed.mutable_sessions(0)->set_message("the shadow died");
  ASSERT_TRUE(sessions->report("n1", failed).ok());
  EXPECT_EQ(get(id).verdict().outcome(), v1::OUTCOME_INCONCLUSIVE);
  EXPECT_THAT(get(id).verdict().summary(), HasSubstr("the shadow died"));
}

TEST_F(SessionsTest, ASessionWhoseNodeStaysAwayFailsAfterFiveMinutes) {
  const std::string id = placed_session();
  sessions->disconnect("n1", agent);
  clock.elapsed += minutes(4);
  sessions->sweep();
  EXPECT_EQ(get(id).ended_unix_ms(), 0);
  clock.elapsed += minutes(2);
  sessions->sweep();
  EXPECT_EQ(get(id).status().state(), v1::SESSION_STATE_FAILED);
  EXPECT_THAT(get(id).status().message(), HasSubstr("n1"));
}

TEST_F(SessionsTest, TheTimeThatTheCoordinatorWasAwayIsNotHeldAgainstTheNode) {
  const std::string id = placed_session();
  clock.elapsed += minutes(60);
  restart();
  sessions->sweep();
  EXPECT_EQ(get(id).ended_unix_ms(), 0);
}

TEST_F(SessionsTest, AnAgentThatForgetsToSayThatItIsDoneDoesNotKeepTheSessionOpen) {
  const std::string id = placed_session();
  ASSERT_TRUE(sessions->report("n1", with_session(id, v1::SESSION_STATE_RUNNING, all_blocks(get(id)))).ok());
  sessions->sweep();
  EXPECT_EQ(get(id).ended_unix_ms(), 0);
  clock.elapsed += minutes(1);
  sessions->sweep();
  EXPECT_EQ(get(id).status().state(), v1::SESSION_STATE_COMPLETED);
}

TEST_F(SessionsTest, ANewStreamOfANodeReplacesTheOldOne) {
  const std::string id = placed_session();
  Agent again;
  ASSERT_TRUE(sessions->connect(hello("n1"), again).ok());
  EXPECT_TRUE(agent.replaced);
  sessions->disconnect("n1", agent);  // the old stream's end must not disconnect the new one
  EXPECT_TRUE(sessions->list_nodes()->nodes(0).connected());
}

TEST_F(SessionsTest, AWatcherSeesChangesAndSamplesAndTheEnd) {
  const std::string id = placed_session();
  ASSERT_TRUE(sessions->add_samples("n1", batch(id, 1, 0, 1000)).ok());
  Watch watch;
  ASSERT_TRUE(sessions->watch(id, watch).ok());
  EXPECT_EQ(watch.samples, 1u);
  ASSERT_TRUE(sessions->report("n1", with_session(id, v1::SESSION_STATE_STARTING)).ok());
  ASSERT_TRUE(sessions->report("n1", with_session(id, v1::SESSION_STATE_STARTING)).ok());  // no change, no event
  ASSERT_TRUE(sessions->add_samples("n1", batch(id, 2, 0, 2000)).ok());
  ASSERT_TRUE(sessions->stop(id).ok());
  EXPECT_THAT(watch.states, ElementsAre(v1::SESSION_STATE_PENDING, v1::SESSION_STATE_STARTING,
                                        v1::SESSION_STATE_STARTING, v1::SESSION_STATE_CANCELLED));
  EXPECT_EQ(watch.samples, 2u);
  EXPECT_TRUE(watch.ended);
}

TEST_F(SessionsTest, StoppingTwiceKeepsTheFirstEnd) {
  const std::string id = placed_session();
  const v1::Session stopped = *sessions->stop(id);
  EXPECT_EQ(stopped.status().state(), v1::SESSION_STATE_CANCELLED);
  clock.elapsed += minutes(1);
  EXPECT_EQ(sessions->stop(id)->ended_unix_ms(), stopped.ended_unix_ms());
  EXPECT_EQ(sessions->stop("s-nope").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SessionsTest, AdjustingARunningSessionReachesItsNodeAtOnce) {
  const std::string id = placed_session();
  v1::AdjustSessionRequest request;
  request.set_id(id);
  request.set_sampled_fraction("20%");
  ASSERT_TRUE(sessions->adjust(request).ok());
  EXPECT_EQ(agent.states.back().sessions(0).service().shadow().sampled_fraction(), "20%");
  EXPECT_EQ(get(id).spec().service().shadow().sampled_fraction(), "20%");
  request.set_sampled_fraction("0");
  EXPECT_THAT(std::string(sessions->adjust(request).status().message()), HasSubstr("sampled_fraction"));
  EXPECT_EQ(get(id).spec().service().shadow().sampled_fraction(), "20%");
  ASSERT_TRUE(sessions->stop(id).ok());
  EXPECT_EQ(sessions->adjust(request).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SessionsTest, AdjustingResourcesReachesItsNodeAndLeavesTheOthersAsTheyAre) {
  const std::string id = placed_session();
  const std::string memory = get(id).spec().profile().resource_allocation().memory();
  v1::AdjustSessionRequest request;
  request.set_id(id);
  request.mutable_resource_allocation()->set_cpu("0.5x production");
  ASSERT_TRUE(sessions->adjust(request).ok());
  const v1::ResourceAllocation& asked = agent.states.back().sessions(0).profile().resource_allocation();
  EXPECT_EQ(asked.cpu(), "0.5x production");
  EXPECT_EQ(asked.memory(), memory);
  request.mutable_resource_allocation()->set_cpu("much");
  EXPECT_THAT(std::string(sessions->adjust(request).status().message()), HasSubstr("resource_allocation.cpu"));
  EXPECT_EQ(get(id).spec().profile().resource_allocation().cpu(), "0.5x production");
}

TEST_F(SessionsTest, AdjustingTheNoiseReachesItsNodeAndReplacesItAsAWhole) {
  const std::string id = placed_session();
  v1::AdjustSessionRequest request;
  request.set_id(id);
  EXPECT_EQ(sessions->adjust(request).status().code(), absl::StatusCode::kInvalidArgument);
  request.mutable_noise_parameters()->set_packet_loss("2%");
  ASSERT_TRUE(sessions->adjust(request).ok());
  EXPECT_EQ(agent.states.back().sessions(0).profile().noise_parameters().packet_loss(), "2%");
  request.mutable_noise_parameters()->set_packet_loss("");
  request.mutable_noise_parameters()->set_error_rate("2");
  EXPECT_THAT(std::string(sessions->adjust(request).status().message()), HasSubstr("noise_parameters.error_rate"));
  EXPECT_EQ(get(id).spec().profile().noise_parameters().packet_loss(), "2%");
  request.mutable_noise_parameters()->set_error_rate("");
  ASSERT_TRUE(sessions->adjust(request).ok());
  EXPECT_EQ(get(id).spec().profile().noise_parameters().packet_loss(), "");
}

TEST_F(SessionsTest, WhatCannotBeAppliedNamesItsFieldAndLeavesNothing) {
  const auto message = [&](const v1::ApplyRequest& bad) {
    const auto applied = sessions->apply(bad);
    EXPECT_FALSE(applied.ok());
    return std::string(applied.status().message());
  };
  EXPECT_THAT(message(request("web", 14'000)), HasSubstr("session_duration_ms"));
  v1::ApplyRequest fraction = request();
  fraction.set_sampled_fraction("-5%");
  EXPECT_THAT(message(fraction), HasSubstr("sampled_fraction"));
  v1::ApplyRequest unknown = request();
  unknown.mutable_profiles(0)->set_service_descriptor("other");
  EXPECT_THAT(message(unknown), HasSubstr("profiles[0].service_descriptor"));
  v1::ApplyRequest noise = request();
  noise.mutable_profiles(0)->mutable_noise_parameters()->set_error_rate("2");
  EXPECT_THAT(message(noise), HasSubstr("error_rate"));
  v1::ApplyRequest port = request();
  port.mutable_services(0)->mutable_discovery()->set_port(70'000);
  EXPECT_THAT(message(port), HasSubstr("services[0]"));
  EXPECT_THAT(message({}), HasSubstr("nothing to apply"));
  EXPECT_EQ(sessions->list_services()->services_size(), 0);
  EXPECT_EQ(sessions->list_profiles()->profiles_size(), 0);
  EXPECT_EQ(sessions->list_sessions()->sessions_size(), 0);
}

TEST_F(SessionsTest, ASampledFractionOfTheRequestOverridesTheDescriptors) {
  v1::ApplyRequest with_fraction = request();
  with_fraction.set_sampled_fraction("20%");
  const std::string id = sessions->apply(with_fraction)->sessions(0);
  EXPECT_EQ(get(id).spec().service().shadow().sampled_fraction(), "20%");
  EXPECT_EQ(sessions->list_services()->services(0).descriptor_document().shadow().sampled_fraction(), "");
}

}  // namespace
}  // namespace gnomon::session
