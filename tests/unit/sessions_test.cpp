// Where sessions run, who hears of it, and when they end.

#include "tests/unit/sessions_fixture.h"

namespace gnomon::session {
namespace {

using std::chrono::minutes;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

}  // namespace
}  // namespace gnomon::session
