#include "cli/render/describe.h"
#include "cli/render/live.h"
#include "cli/render/session_view.h"
#include "cli/render/table.h"
#include "cli/render/text.h"
#include "cli/render/verdict.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/synthetic_session.h"

namespace gnomon::cli {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

TEST(Table, AlignsColumnsAndTrimsLines) {
  Table table({"NAME", "COUNT", ""});
  table.right({1});
  table.add({"a", "5", ""});
  table.add({"long name", "12345", "x"});
  EXPECT_EQ(table.render(), "NAME       COUNT\na              5\nlong name  12345  x\n");
}

TEST(Table, ControlCharactersCannotMoveTheCursor) {
  Table table({"a\x1b[2J\n"});
  EXPECT_EQ(table.render(), "a?[2J?\n");
}

TEST(Text, MetricsHaveTheirUnit) {
  EXPECT_EQ(format_metric("ns", 1.25e6), "1.25 ms");
  EXPECT_EQ(format_metric("ratio", 0.0123), "1.23%");
  EXPECT_EQ(format_metric("bytes", 1 << 20), "1Mi");
  EXPECT_EQ(format_shift("ns", 50e6), "+50 ms");
  EXPECT_EQ(format_shift("ns", -2e3), "-2 us");
  EXPECT_EQ(format_shift("ratio", 0), "0%");
  EXPECT_EQ(format_shift("bytes", -1024), "-1Ki");
  EXPECT_EQ(format_time(0), "-");
  EXPECT_EQ(format_time(1'790'000'000'000), "2026-09-21 14:13:20");
}

TEST(Text, JsonKeepsTheSchemasFieldNames) {
  EXPECT_THAT(to_json(synthetic_session()),
              AllOf(HasSubstr("\"testing_scenarios\""), HasSubstr("\"created_unix_ms\"")));
}

TEST(SessionView, SumsCountersUntilTheCoordinatorSendsTotals) {
  SessionView view = synthetic_view(40);
  EXPECT_EQ(view.tap().requests, 61u * 40);
  EXPECT_EQ(view.tap().lost_records, 1u);
  EXPECT_EQ(view.replay().shed, 2u);
  v1::SessionEvent event;
  *event.mutable_session() = synthetic_session();
  event.mutable_session()->mutable_tap()->set_requests(7);
  view.add(event);
  EXPECT_EQ(view.tap().requests, 7u);
}

TEST(Describe, SaysHowFarItIsAndWhoStartedTheShadow) {
  const std::string text = session_text(synthetic_view(13).session());
  EXPECT_THAT(text, HasSubstr("pid 0, started by /usr/sbin/runc"));
  EXPECT_THAT(text, HasSubstr("13 s of 65 s planned, 4.4 s besides (2 pauses, draining before and settling after "
                              "them); measuring; about 66 s left"));
}

TEST(Live, WhatMakesASessionLongerThanItsPlanIsTold) {
  SessionView view = synthetic_view(13);
  EXPECT_THAT(live_line(view),
              testing::StartsWith(" 13 s of 65 s (+4 s: pauses, settling; about 66 s left)  treatment 2/6"));
  v1::SessionEvent event;
  *event.mutable_session() = view.session();
  v1::SessionStatus& status = *event.mutable_session()->mutable_status();
  status.set_current_block(-1);
  status.mutable_progress()->set_activity("pausing");
  status.mutable_progress()->clear_besides_ms();
  status.mutable_progress()->clear_left_ms();
  view.add(event);
  EXPECT_THAT(live_line(view), testing::StartsWith(" 13 s of 65 s  pausing"));
}

TEST(SessionView, LateResponsesCountButAreNoRate) {
  SessionView view = synthetic_view(3);
  telemetry::Sample late = synthetic_sample(2, true);
  late.span = Nanos(0);
  late.replay = {.answered = 5};
  const std::uint64_t answered = view.replay().answered;
  v1::SessionEvent event;
  *event.add_samples() = telemetry::to_wire(late);
  view.add(event);
  EXPECT_EQ(view.points().size(), 6u);
  EXPECT_EQ(view.replay().answered, answered + 5);
}

TEST(SessionView, ThePieceLeftOverAtTheEndOfAPhaseIsNoRate) {
  SessionView view = synthetic_view(13);
  const std::size_t points = view.points().size();
  telemetry::Sample piece = synthetic_sample(13, true);
  piece.block = 1;
  piece.span = std::chrono::milliseconds(20);
  telemetry::Sample drain = piece;
  drain.block = -1;
  v1::SessionEvent event;
  *event.add_samples() = telemetry::to_wire(piece);
  *event.add_samples() = telemetry::to_wire(drain);
  view.add(event);
  EXPECT_EQ(view.points().size(), points);
}

TEST(SessionView, UnreadableSamplesAreCounted) {
  SessionView view = synthetic_view(3);
  v1::SessionEvent event;
  *event.add_samples() = telemetry::to_wire(synthetic_sample(3, true));
  event.mutable_samples(0)->mutable_service_time()->add_count(1);
  view.add(event);
  EXPECT_EQ(view.undecodable_samples(), 1u);
  EXPECT_THAT(live_table(view), HasSubstr("1 unreadable samples"));
}

TEST(Live, TableShowsBothSidesAndTheBlock) {
  const std::string table = live_table(synthetic_view(20));
  EXPECT_THAT(table, HasSubstr("treatment 2/6"));
  EXPECT_THAT(table, HasSubstr("13 s of 65 s (+4 s: pauses, settling; about 66 s left)"));
  EXPECT_THAT(table, ContainsRegex("requests/s +1[0-9]{3} +[0-9]{3}"));
  EXPECT_THAT(table, ContainsRegex("service time p99 +[0-9.]+ ms +[0-9.]+ ms"));
  EXPECT_THAT(table, ContainsRegex("response time p50 +- +[0-9.]+ ms"));
  EXPECT_THAT(table, ContainsRegex("memory +188Mi +61Mi"));
  EXPECT_THAT(table, HasSubstr("4.92% of the requests sampled, each replayed 10.1 times"));
  EXPECT_THAT(table, HasSubstr("nothing lost"));
}

TEST(Live, LossesAreAlwaysVisible) {
  for (const std::string& text : {live_table(synthetic_view(40)), live_line(synthetic_view(40))})
    EXPECT_THAT(text, AllOf(HasSubstr("lost 1,"), HasSubstr("not all arrived: 1 lost records, 2 shed")));
}

TEST(Live, LineIsOneLineFromTheFirstMoment) {
  for (const int seconds : {0, 1, 40}) EXPECT_THAT(live_line(synthetic_view(seconds)), Not(HasSubstr("\n")));
  EXPECT_THAT(live_line(synthetic_view(20)), AllOf(HasSubstr("treatment 2/6"), HasSubstr("captured 1220")));
  v1::SessionEvent event;
  event.mutable_session()->mutable_status()->set_state(v1::SESSION_STATE_STARTING);
  SessionView view;
  view.add(event);
  EXPECT_THAT(live_line(view), HasSubstr("starting"));
}

TEST(Live, RedrawGoesBackByTheLinesItDrew) {
  Redraw redraw;
  EXPECT_THAT(redraw.frame("a\nb\n"), Not(HasSubstr("\x1b[2A")));
  EXPECT_THAT(redraw.frame("c\n"), testing::StartsWith("\x1b[2A"));
  EXPECT_THAT(redraw.frame("d\n"), testing::StartsWith("\x1b[1A"));
}

TEST(Verdict, ListsEveryMetricAndEndsOnTheSummary) {
  const std::string text = verdict_text(synthetic_verdict(), false);
  EXPECT_THAT(
      text,
      ContainsRegex("response time p50 +1.2 ms +51.3 ms +\\+50.1 ms +\\+49.5 ms to \\+50.7 ms +\\+50 ms +as expected"));
  EXPECT_THAT(text, ContainsRegex("throttled share .* anomaly"));
  EXPECT_THAT(text, HasSubstr("service time p99: the interval lies above"));
  EXPECT_THAT(text, HasSubstr("\nverdict: anomaly. Throttling rose by 12.4%"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  v1::Verdict said = synthetic_verdict();
  said.set_summary("Anomaly in throttling: it rose.");
  EXPECT_THAT(verdict_text(said, false), HasSubstr("\nverdict: anomaly in throttling: it rose.\n"));
  EXPECT_THAT(verdict_text(synthetic_verdict(), true), HasSubstr("\x1b[1;31manomaly\x1b[0m"));
}

TEST(Verdict, AFailureShowsTheShadowsLastLines) {
  v1::Session session = synthetic_session();
  session.mutable_status()->set_state(v1::SESSION_STATE_FAILED);
  session.mutable_status()->set_message("the shadow ended with status 1");
  session.mutable_status()->add_log_tail("bind: address in use\x07");
  EXPECT_EQ(
      failure_text(session),
      "session s-7f3a91c2 failed: the shadow ended with status 1\nthe shadow's last lines:\n  bind: address in use?\n");
}

}  // namespace
}  // namespace gnomon::cli
