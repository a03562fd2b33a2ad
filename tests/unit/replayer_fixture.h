#pragma once
// A replayer against a server on loopback, on one thread; what became of every copy is checked after every test.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "agent/protocol/http1/http1.h"
#include "agent/replay/loop.h"
#include "agent/replay/replayer.h"
#include "gtest/gtest.h"
#include "tests/unit/loopback_server.h"

namespace gnomon::replay {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline std::string post(const std::string& body) {
  return "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

class ReplayerTest : public ::testing::Test {
 protected:
  ReplayerTest() : server(io) {
    limits.lag = milliseconds(1);
    limits.copy_spread = milliseconds(20);
    limits.timeout = seconds(3600);  // only what a test stalls on purpose shall time out, however slow the machine
  }

  void start(std::uint64_t seed = 1) {
    replayer = std::make_unique<Replayer>(loop, Target{"127.0.0.1", port == 0 ? server.port() : port}, limits, seed);
    replayer->set_phase(phase);
  }

  void offer(std::uint64_t conn_id, std::string bytes, bool close = false) {
    replayer->offer({.conn_id = conn_id,
                     .arrival = std::chrono::steady_clock::now(),
                     .protocol = &protocol::http1(),
                     .bytes = std::make_shared<const std::string>(std::move(bytes)),
                     .close = close});
  }

  // Both sides do what there is to do; either waits for the other.
  void turn() { loop.run_once(io.poll() > 0 ? Nanos(0) : milliseconds(1)); }

  // Runs both until `done`; the limit only ends a test that has failed.
  void run_until(const std::function<bool()>& done) {
    const auto limit = std::chrono::steady_clock::now() + seconds(30);
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), limit) << "the awaited state never came";
      turn();
      collect();
    }
  }
  void run_until_quiet() {
    run_until([this] { return replayer->in_flight() == 0 && replayer->scheduled() == 0; });
  }

  void collect() {
    for (Reading& reading : replayer->take()) {
      auto& sum = sums[{reading.block, reading.settled}];
      sum.response_time.merge(reading.response_time);
      sum.replayed += reading.replayed;
      sum.errors += reading.errors;
      sum.injected_errors += reading.injected_errors;
      sum.counters += reading.counters;
      sum.noise += reading.noise;
    }
  }

  Reading total() {
    collect();
    Reading all;
    for (const auto& [phase_key, sum] : sums) {
      all.response_time.merge(sum.response_time);
      all.replayed += sum.replayed;
      all.errors += sum.errors;
      all.injected_errors += sum.injected_errors;
      all.counters += sum.counters;
      all.noise += sum.noise;
    }
    return all;
  }

  // Where every copy went: checked after every test.
  void TearDown() override {
    if (!replayer) return;
    const Reading all = total();
    const auto& c = all.counters;
    EXPECT_EQ(c.copies, c.answered + c.refused + c.reset + c.timed_out + c.shed + c.cancelled + all.injected_errors +
                            replayer->in_flight() + replayer->scheduled());
    EXPECT_EQ(all.errors, c.error_answers + c.refused + c.reset + c.timed_out + c.shed + all.injected_errors);
    EXPECT_EQ(all.replayed, c.copies - c.cancelled - replayer->scheduled());
    EXPECT_EQ(all.response_time.count(), c.answered - c.error_answers + c.timed_out);
  }

  boost::asio::io_context io;  // the server's
  Loop loop;
  LoopbackServer server;
  Limits limits;
  Phase phase;
  std::uint16_t port = 0;
  std::unique_ptr<Replayer> replayer;
  std::map<std::pair<int, bool>, Reading> sums;
};

}  // namespace gnomon::replay
