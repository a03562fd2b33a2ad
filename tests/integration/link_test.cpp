#include "agent/link/link.h"

#include "agent/link/outbox.h"
#include "gmock/gmock.h"
#include "tests/integration/coordinator_fixture.h"

namespace gnomon {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

using LinkTest = CoordinatorFixture;

TEST_F(LinkTest, WhatIsAppliedReachesTheAgent) {
  TestAgent agent(address_);
  const std::string id = placed_session(agent);
  const link::DesiredState state = agent.desired();
  ASSERT_EQ(state.services.size(), 1u);
  EXPECT_EQ(state.services[0].port, 8080);
  ASSERT_EQ(state.sessions.size(), 1u);
  EXPECT_EQ(state.sessions[0].id, id);
  EXPECT_EQ(state.sessions[0].profile.noise.response_delay_mean, std::chrono::milliseconds(50));
  EXPECT_EQ(state.sessions[0].blocks.size(), 6u);
  EXPECT_TRUE(agent.link().connected());
}

TEST_F(LinkTest, WithoutASocketItIsTheSame) {
  TestAgent agent(app_->in_process_channel());
  const std::string id = placed_session(agent);
  agent.link().send({sample(id, agent.desired().sessions[0].blocks[0])});
  ASSERT_TRUE(agent.link().drain(seconds(30)));
  EXPECT_EQ(get(id).samples_size(), 1);
}

TEST_F(LinkTest, AnAgentThatRestartsGetsTheSameSessionWithItsCompletedBlocks) {
  std::string id;
  {
    TestAgent agent(address_);
    id = placed_session(agent);
    agent.report({{.id = id, .state = session::State::kRunning, .completed_blocks = {0, 1}, .current_block = 2}});
    ASSERT_TRUE(eventually([&] { return get(id).status().completed_blocks_size() == 2; }));
  }
  TestAgent again(address_);
  ASSERT_TRUE(eventually([&] { return again.desired().sessions.size() == 1; }));
  EXPECT_EQ(again.desired().sessions[0].id, id);
  EXPECT_THAT(again.desired().sessions[0].completed_blocks, ElementsAre(0, 1));
}

TEST_F(LinkTest, SamplesQueuedWhileTheCoordinatorIsAwayArriveOnce) {
  TestAgent agent(address_);
  const std::string id = placed_session(agent);
  const auto blocks = agent.desired().sessions[0].blocks;
  agent.link().send({sample(id, blocks[0])});
  ASSERT_TRUE(agent.link().drain(seconds(30)));
  stop();
  ASSERT_TRUE(eventually([&] { return !agent.link().connected(); }));
  agent.link().send({sample(id, blocks[1])});
  agent.link().send({sample(id, blocks[2])});
  EXPECT_FALSE(agent.link().drain(Nanos(0)));
  start();
  ASSERT_TRUE(agent.link().drain(seconds(30)));
  const v1::Session session = get(id);
  EXPECT_EQ(session.node(), "n1");
  EXPECT_EQ(session.ended_unix_ms(), 0);
  EXPECT_EQ(session.samples_size(), 3);
  EXPECT_EQ(agent.link().dropped_samples(), 0u);
}

TEST_F(LinkTest, AVerdictComesFromTheSamplesAnAgentSends) {
  TestAgent agent(address_);
  const std::string id = placed_session(agent);
  std::vector<int> completed;
  const auto blocks = agent.desired().sessions[0].blocks;
  for (const session::Block& block : blocks) {
    agent.link().send({sample(id, block)});
    completed.push_back(block.index);
  }
  agent.report({{.id = id, .state = session::State::kCompleted, .completed_blocks = completed}});
  ASSERT_TRUE(eventually([&] { return get(id).ended_unix_ms() != 0; }));
  const v1::Session session = get(id);
  EXPECT_EQ(session.verdict().outcome(), v1::OUTCOME_AS_EXPECTED) << session.verdict().summary();
  EXPECT_NEAR(session.verdict().metrics(0).shift(), 50e6, 2e6);
  EXPECT_TRUE(eventually([&] { return agent.desired().sessions.empty(); }));
}

TEST(Outbox, WhatIsNotAcknowledgedIsHandedOutAgainUnderItsNumber) {
  link::Outbox outbox;
  for (int i = 0; i < 3; ++i) outbox.add({telemetry::Sample{.session_id = "s-1"}});
  EXPECT_EQ(outbox.next()->sequence(), 1u);
  EXPECT_EQ(outbox.next()->sequence(), 2u);
  outbox.acknowledge(1);
  outbox.rewind();
  EXPECT_EQ(outbox.next()->sequence(), 2u);
  EXPECT_EQ(outbox.next()->sequence(), 3u);
  EXPECT_EQ(outbox.next(), nullptr);
  outbox.acknowledge(3);
  EXPECT_TRUE(outbox.holds_none_up_to(3));
}

TEST(Outbox, BeyondItsLimitTheOldestAreDroppedAndCounted) {
  link::Outbox outbox;
  outbox.add(std::vector<telemetry::Sample>(6'000));
  outbox.add(std::vector<telemetry::Sample>(4'000));
  EXPECT_EQ(outbox.dropped(), 0u);
  outbox.add(std::vector<telemetry::Sample>(1));
  EXPECT_EQ(outbox.dropped(), 6'000u);
  EXPECT_EQ(outbox.next()->sequence(), 2u);
}

}  // namespace
}  // namespace gnomon
