#pragma once
// Open-loop replay: every copy of a request is sent when it is due, whatever the shadow is doing.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/noise/noise.h"
#include "agent/protocol/client.h"
#include "common/clock.h"
#include "telemetry/sample.h"

namespace gnomon::replay {

class Loop;

struct Target {
  std::string address;  // IPv4 or IPv6, reached from the network namespace of the loop's thread
  std::uint16_t port = 0;
  protocol::ClientSettings client;
  bool tls = false;  // it takes TLS
};

struct Limits {
  std::size_t in_flight = 4096;  // requests sent and not answered; beyond, copies are shed and counted
  Nanos timeout = std::chrono::seconds(5);
  Nanos lag = std::chrono::milliseconds(50);    // due time of the first copy after arrival: hides capture delay
  Nanos copy_spread = std::chrono::seconds(1);  // further copies of a connection are shifted by up to this, uniformly
  std::size_t scheduled_bytes =
      256u << 20;  // of requests that wait to be due, each copy counted; beyond, copies are shed
};

// What applies to the copies that become due from now on.
struct Phase {
  int block = -1;
  bool settled = false;
  double multiplicity = 1;  // copies per request: its integer part, and one more with the remainder's probability
  noise::NoiseModel noise;
};

// Deltas since the last take(), of one phase. A copy is counted to the phase it was due in, however late its response;
// `offered`, `copies` and `cancelled` to the phase in which a request was offered or the copies were dropped.
struct Reading {
  int block = -1;
  bool settled = false;
  // Due time to response complete, noise included. Of errors only those timed out are in it, with the time they were
  // given: their quantiles are at least that.
  telemetry::Histogram response_time;
  std::uint64_t replayed = 0;  // copies that became due, or were shed before
  // Of these: error_answers + refused + reset + timed_out + shed + injected_errors. An injected error is in no counter
  // but its own.
  std::uint64_t errors = 0, injected_errors = 0;
  telemetry::ReplayCounters counters;
  noise::Tally noise;
};

// All calls on the thread that runs `loop`, which must outlive it. Each captured connection and copy number is a lane
// with a connection of its own, kept alive and closed as the client did; a request due while its lane's connections
// have as many unanswered as their protocol allows goes out on a further one (open loop).
class Replayer {
 public:
  Replayer(Loop& loop, Target target, Limits limits, std::uint64_t seed);
  ~Replayer();  // closes everything; what was scheduled is dropped
  void set_phase(const Phase& phase);
  void offer(protocol::Request request);
  // Requests that were dropped on the way here, as too many were waiting: counted as offered, their copies as shed.
  void turn_away(std::uint64_t requests);
  void end_connection(std::uint64_t conn_id);
  // Drops what is scheduled (counted as cancelled) and resets connections with requests in flight (counted as timed
  // out).
  void flush();
  std::size_t in_flight() const;  // copies sent and not answered
  std::size_t scheduled() const;  // copies not yet due
  // One reading for each block and settledness that has something to say.
  std::vector<Reading> take();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gnomon::replay
