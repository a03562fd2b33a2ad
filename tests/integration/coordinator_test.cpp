#include "gmock/gmock.h"
#include "telemetry/wire.h"
#include "tests/integration/coordinator_fixture.h"
#include "tests/scrape.h"

namespace gnomon {
namespace {

using ::testing::HasSubstr;

using CoordinatorTest = CoordinatorFixture;

TEST_F(CoordinatorTest, AnUnknownSessionIsNotFoundByName) {
  v1::GetSessionRequest request;
  request.set_id("s-nope");
  v1::Session session;
  grpc::ClientContext context;
  const grpc::Status status = stub_->GetSession(&context, request, &session);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("s-nope"));

  grpc::ClientContext watch_context;
  v1::WatchSessionRequest watch;
  watch.set_id("s-nope");
  auto reader = stub_->WatchSession(&watch_context, watch);
  v1::SessionEvent event;
  EXPECT_FALSE(reader->Read(&event));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(CoordinatorTest, AWatchEndsWithTheStoppedSessionAndItsVerdict) {
  TestAgent agent(address_);
  const std::string id = placed_session(agent);
  agent.link().send({sample(id, agent.desired().sessions[0].blocks[0])});
  ASSERT_TRUE(agent.link().drain(std::chrono::seconds(30)));

  grpc::ClientContext context;
  v1::WatchSessionRequest watch;
  watch.set_id(id);
  auto reader = stub_->WatchSession(&context, watch);
  v1::SessionEvent event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_EQ(event.samples_size(), 1);

  grpc::ClientContext stop_context;
  v1::StopSessionRequest stop_request;
  stop_request.set_id(id);
  v1::Session stopped;
  ASSERT_TRUE(stub_->StopSession(&stop_context, stop_request, &stopped).ok());
  EXPECT_EQ(stopped.status().state(), v1::SESSION_STATE_CANCELLED);
  while (reader->Read(&event)) {
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_NE(event.session().ended_unix_ms(), 0);
  EXPECT_EQ(event.session().verdict().outcome(), v1::OUTCOME_INCONCLUSIVE);
  EXPECT_TRUE(eventually([&] { return agent.desired().sessions.empty(); }));
}

TEST_F(CoordinatorTest, ShowsPrometheusTheNumbersThatItsApiGives) {
  TestAgent agent(address_);
  const std::string id = placed_session(agent);
  telemetry::Sample production = sample(id, agent.desired().sessions[0].blocks[0]);
  production.role = telemetry::Role::kProduction;
  for (const auto& counter : telemetry::counters_of<telemetry::TapCounters>())
    production.tap.*counter.value = 100 + counter.name.size();
  agent.link().send({production, production});
  ASSERT_TRUE(agent.link().drain(std::chrono::seconds(30)));

  grpc::ClientContext context;
  v1::GetSessionRequest request;
  request.set_id(id);
  v1::Session session;
  ASSERT_TRUE(stub_->GetSession(&context, request, &session).ok());
  const telemetry::TapCounters told = telemetry::from_wire(session.tap());
  const std::string scraped = testing::scrape(app_->metrics_port());
  for (const auto& counter : telemetry::counters_of<telemetry::TapCounters>())
    EXPECT_THAT(scraped, HasSubstr("gnomon_coordinator_tap_" + std::string(counter.name) + "_total{session=\"" + id +
                                   "\",service=\"" + session.service() + "\",role=\"production\"} " +
                                   std::to_string(told.*counter.value) + "\n"));
  EXPECT_THAT(scraped, HasSubstr("gnomon_coordinator_sessions 1\n"));
}

TEST_F(CoordinatorTest, ItEndsWhileAgentsAndWatchersAreConnected) {
  TestAgent agent(address_);
  const std::string id = placed_session(agent);
  auto stub = v1::QueryService::NewStub(app_->in_process_channel());
  grpc::ClientContext context;
  v1::WatchSessionRequest watch;
  watch.set_id(id);
  auto reader = stub->WatchSession(&context, watch);
  v1::SessionEvent event;
  ASSERT_TRUE(reader->Read(&event));
  stop();
  while (reader->Read(&event)) {
  }
  EXPECT_FALSE(reader->Finish().ok());
}

TEST_F(CoordinatorTest, AnAddressThatIsTakenIsAnErrorThatNamesIt) {
  const auto first = coordinator::App::create({.database = ":memory:", .listen = "127.0.0.1:0"});
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string address = (*first)->address();
  EXPECT_THAT(address, ::testing::MatchesRegex("127\\.0\\.0\\.1:[1-9][0-9]*"));
  const auto second = coordinator::App::create({.database = ":memory:", .listen = address});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(address));
}

}  // namespace
}  // namespace gnomon
