// What nodes measure, and the verdict that comes of it.

#include "tests/unit/sessions_fixture.h"

namespace gnomon::session {
namespace {

using ::testing::HasSubstr;

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

}  // namespace
}  // namespace gnomon::session
