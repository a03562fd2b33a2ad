#include "cli/render/report_html.h"

#include <cmath>

#include "cli/render/chart.h"
#include "cli/render/html.h"
#include "cli/render/report_series.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/synthetic_session.h"

namespace gnomon::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

TEST(Html, EscapesMarkupAndControlCharacters) {
  EXPECT_EQ(escape_html("<a b='c' d=\"e\">&\x01"), "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;?");
}

TEST(Report, ShowsVerdictMetricsChartsProfileAndCounters) {
  const std::string page = report_html(synthetic_view(), "1.2.3");
  EXPECT_THAT(page, HasSubstr("<h1 class='bad'>Anomaly</h1>"));
  EXPECT_THAT(page, HasSubstr("Throttling rose by 12.4%"));
  EXPECT_THAT(page, HasSubstr("+49.5 ms to +50.7 ms"));
  for (const char* title : {"Service time", "Response time of the shadow", "Requests a second", "CPU", "Errors"})
    EXPECT_THAT(page, HasSubstr("<h3>" + std::string(title) + "</h3>"));
  EXPECT_THAT(page, HasSubstr("simulated_peak_load_2x"));
  EXPECT_THAT(page, HasSubstr("Not all arrived: 1 lost records, 2 shed."));
  EXPECT_THAT(page, HasSubstr("gnomon 1.2.3"));
  EXPECT_EQ(count(page, "<tr>"), count(page, "</tr>"));
  EXPECT_EQ(count(page, "<svg"), count(page, "</svg>"));
  EXPECT_EQ(count(page, "<section"), count(page, "</section>"));
}

TEST(Report, RefersToNothingOutsideAndRunsNothing) {
  const std::string page = report_html(synthetic_view(), "1");
  for (const char* forbidden : {"http:", "https:", "<script", "src=", "href=", "@import", "url(", "nan", "inf "})
    EXPECT_THAT(page, Not(HasSubstr(forbidden)));
}

TEST(Report, EscapesWhatTheServiceSays) {
  const std::string attack = "<script>alert('&\"')</script>";
  v1::SessionEvent event;
  *event.mutable_session() = synthetic_session();
  v1::Session& session = *event.mutable_session();
  session.set_id(attack);
  session.set_node(attack);
  session.set_service(attack);
  session.mutable_status()->set_state(v1::SESSION_STATE_FAILED);
  session.mutable_status()->set_message(attack);
  session.mutable_status()->set_noise_engine(attack);
  session.mutable_status()->add_log_tail(attack);
  session.mutable_spec()->mutable_profile()->set_service_descriptor(attack);
  *session.mutable_verdict() = synthetic_verdict();
  session.mutable_verdict()->set_summary(attack);
  session.mutable_verdict()->mutable_metrics(0)->set_metric(attack);
  session.mutable_verdict()->mutable_metrics(0)->set_unit(attack);
  session.mutable_verdict()->mutable_metrics(0)->set_reason(attack);
  SessionView view;
  view.add(event);
  EXPECT_THAT(report_html(view, attack), Not(HasSubstr("<script")));
}

TEST(Report, SaysWhatTheShadowWantedToReachAndWhatItCost) {
  v1::SessionEvent event;
  *event.mutable_session() = synthetic_session();
  v1::SessionStatus& status = *event.mutable_session()->mutable_status();
  EXPECT_THAT(report_html(synthetic_view(), "1"), Not(HasSubstr("wanted to reach")));
  v1::EgressAttempt& attempt = *status.add_egress();
  attempt.set_destination("10.0.3.9:6379<");
  attempt.set_transport("tcp");
  attempt.set_action("denied");
  attempt.set_attempts(214);
  status.mutable_production_cost()->set_pauses(9);
  status.mutable_production_cost()->set_p99_ratio(1.074);
  SessionView view;
  view.add(event);
  const std::string page = report_html(view, "1");
  EXPECT_THAT(page, HasSubstr("What the shadow wanted to reach"));
  EXPECT_THAT(page, HasSubstr("<td>10.0.3.9:6379&lt;</td><td>tcp</td><td class='number'>214</td><td>denied</td>"));
  EXPECT_THAT(page, HasSubstr("p99 +7.4%"));
}

TEST(Report, ASessionWithoutDataSaysSo) {
  v1::SessionEvent event;
  event.mutable_session()->mutable_status()->set_state(v1::SESSION_STATE_FAILED);
  event.mutable_session()->mutable_status()->set_message("no instance");
  SessionView view;
  view.add(event);
  const std::string page = report_html(view, "1");
  EXPECT_THAT(page, HasSubstr("No verdict: failed"));
  EXPECT_THAT(page, HasSubstr("Nothing was measured."));
  EXPECT_THAT(page, HasSubstr("no instance"));
}

TEST(Report, BlocksAreShadedWhereTheirSamplesAre) {
  const std::vector<Band> bands = block_bands(synthetic_view(), 1'790'000'000'000);
  ASSERT_EQ(bands.size(), 6u);
  EXPECT_FALSE(bands[0].treatment);
  EXPECT_DOUBLE_EQ(bands[0].from, 5);
  EXPECT_DOUBLE_EQ(bands[0].to, 15);
  EXPECT_TRUE(bands[1].treatment);
  EXPECT_DOUBLE_EQ(bands[5].to, 65);
}

TEST(Report, LongSessionsShowTheWorstOfEachSpan) {
  const SessionView view = synthetic_view();
  const std::vector<Chart> charts = report_charts(view, 13);
  double highest = 0, drawn = 0;
  for (const Point& point : view.points())
    if (point.shadow) highest = std::fmax(highest, static_cast<double>(point.response_p99->count()));
  EXPECT_EQ(charts[1].series[1].points.size(), 13u);
  for (const auto& [second, value] : charts[1].series[1].points) drawn = std::fmax(drawn, value);
  EXPECT_EQ(drawn, highest);
  EXPECT_THAT(charts[1].note, HasSubstr("highest of 5 seconds"));
}

TEST(Chart, TicksAreRound) {
  EXPECT_THAT(linear_ticks(0, 1000, 4), ElementsAre(0, 500, 1000));
  EXPECT_THAT(linear_ticks(0, 0.9, 4), ElementsAre(0, testing::DoubleEq(0.5)));
  EXPECT_THAT(log_ticks(3, 60), ElementsAre(5, 10, 20, 50));
  EXPECT_THAT(log_ticks(1, 1e5), ElementsAre(1, 10, 100, 1000, 10000, 100000));
}

TEST(Chart, GapsBreakTheLine) {
  const Chart chart{.title = "t",
                    .note = "",
                    .label = [](double) { return std::string("v"); },
                    .seconds = 4,
                    .series = {{"a", "shadow", {{1, 1}, {2, 1}, {3, std::nan("")}, {4, 2}}}},
                    .bands = {}};
  const std::string svg = render_chart(chart);
  const std::string path = svg.substr(svg.rfind("d='"));
  EXPECT_EQ(count(path, "M"), 2u);
  EXPECT_EQ(count(path, "L"), 1u);
}

}  // namespace
}  // namespace gnomon::cli
