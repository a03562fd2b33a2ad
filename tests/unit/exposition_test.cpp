#include "telemetry/exposition.h"

#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/scrape.h"

namespace gnomon::telemetry {
namespace {

using testing::HasSubstr;
using testing::scrape;

TEST(Exposition, ShowsEveryCounterOfASessionAsItIsNow) {
  SessionTotals totals{.session = "s-1", .service = "a \"b\""};
  const auto exposition =
      Exposition::serve("127.0.0.1:0", [&] { return counter_families("agent", std::span(&totals, 1)); });
  ASSERT_TRUE(exposition.ok()) << exposition.status();
  totals.tap.lost_bytes = 12;
  totals.replay.shed = 3;
  const std::string first = scrape((*exposition)->port());
  EXPECT_THAT(first, HasSubstr("# TYPE gnomon_agent_tap_lost_bytes_total counter\n"));
  EXPECT_THAT(first, HasSubstr("gnomon_agent_tap_lost_bytes_total{session=\"s-1\",service=\"a \\\"b\\\"\",role="
                               "\"production\"} 12\n"));
  EXPECT_THAT(first,
              HasSubstr("gnomon_agent_replay_shed_total{session=\"s-1\",service=\"a \\\"b\\\"\",role=\"shadow\"} 3\n"));
  totals.replay.shed = 4;
  EXPECT_THAT(scrape((*exposition)->port()), HasSubstr("role=\"shadow\"} 4\n"));
}

TEST(Exposition, AnAddressThatIsTakenIsAnErrorThatNamesIt) {
  const auto first = Exposition::serve("127.0.0.1:0", [] { return Families(); });
  ASSERT_TRUE(first.ok()) << first.status();
  const std::string taken = "127.0.0.1:" + std::to_string((*first)->port());
  EXPECT_THAT(std::string(Exposition::serve(taken, [] { return Families(); }).status().message()), HasSubstr(taken));
}

TEST(Exposition, SaysWhatTheProcessTakes) {
  const Families families = process_families("agent", "1.2");
  EXPECT_EQ(families[0].name, "process_cpu_seconds_total");
  EXPECT_GT(families[1].metric[0].gauge.value, 1e6);
  EXPECT_EQ(families[2].metric[0].label[0].value, "1.2");
}

// docs/metrics.md says what there is: no counter is missing in it, none is there that does not exist.
TEST(MetricsDocument, ListsExactlyTheCountersThereAre) {
  std::string expected;
  const auto rows = [&]<class Set>(const char* kind, const Set&) {
    for (const Counter<Set>& counter : counters_of<Set>())
      expected += "| `" + std::string(kind) + "_" + std::string(counter.name) + "_total` | " +
                  (counter.loss ? "yes" : "") + " | " + std::string(counter.help) + " |\n";
  };
  rows("tap", TapCounters{});
  rows("replay", ReplayCounters{});
  std::ifstream document(GNOMON_SOURCE_DIR "/docs/metrics.md");
  std::string listed;
  for (std::string line; std::getline(document, line);)
    if (line.starts_with("| `tap_") || line.starts_with("| `replay_")) listed += line + "\n";
  EXPECT_EQ(listed, expected);
}

}  // namespace
}  // namespace gnomon::telemetry
