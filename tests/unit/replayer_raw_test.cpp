#include "agent/protocol/raw/raw.h"
#include "agent/protocol/raw/unit.h"
#include "tests/unit/replayer_fixture.h"

namespace gnomon::replay {
namespace {

// Two requests, of which the second follows the answer to the first.
protocol::Request raw_connection(Nanos pause) {
  const std::string first = post("a"), second = post("b");
  std::string unit;
  protocol::append_raw_piece({.offset = Nanos(0), .after_send = false, .bytes = first}, unit);
  protocol::append_raw_piece({.offset = pause, .after_send = true, .bytes = second}, unit);
  protocol::append_raw_piece({.offset = 2 * pause, .after_send = false, .bytes = {}}, unit);
  return {.conn_id = 1,
          .arrival = std::chrono::steady_clock::now(),
          .protocol = &protocol::raw(),
          .bytes = std::make_shared<const std::string>(unit),
          .close = true,
          .lasts = 2 * pause};
}

TEST_F(ReplayerTest, SaysARawConnectionPieceByPieceOnOneConnection) {
  start();
  replayer->offer(raw_connection(milliseconds(5)));
  replayer->end_connection(1);
  run_until_quiet();
  EXPECT_EQ(server.requests, (std::vector<std::string>{post("a"), post("b")}));
  EXPECT_EQ(server.connections, 1);
  EXPECT_EQ(total().counters.answered, 1u);
}

TEST_F(ReplayerTest, CountsARawConnectionThatTheShadowEndsAsReset) {
  server.behaviour.close_after = true;
  start();
  replayer->offer(raw_connection(seconds(3600)));
  run_until_quiet();
  EXPECT_EQ(total().counters.reset, 1u);
}

TEST_F(ReplayerTest, TimesOutWhatIsShortBehindWhatLasts) {
  server.behaviour.stalled = true;
  limits.timeout = milliseconds(50);
  start();
  replayer->offer(raw_connection(seconds(3600)));
  offer(2, post("x"));
  run_until([this] { return replayer->scheduled() == 0 && replayer->in_flight() == 1; });
  EXPECT_EQ(total().counters.timed_out, 1u);
}

}  // namespace
}  // namespace gnomon::replay
