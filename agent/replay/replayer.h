#pragma once
// Open-loop replay: every copy of a request is sent when it is due, whatever the shadow is doing.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/noise/noise.h"
#include "agent/protocol/request.h"
#include "common/clock.h"
#include "telemetry/sample.h"

namespace boost::asio {
class io_context;
}

namespace gnomon::replay {

struct Target {
  std::string address;  // IPv4 or IPv6, reached from the network namespace of the thread that runs the io_context
  std::uint16_t port = 0;
};

struct Limits {
  std::size_t in_flight = 4096;         // requests sent and not answered; beyond, copies are shed and counted
  Nanos timeout = std::chrono::seconds(5);
  Nanos lag = std::chrono::milliseconds(50);     // due time of the first copy after arrival: hides capture delay
  Nanos copy_spread = std::chrono::seconds(1);   // further copies of a connection are shifted by up to this, uniformly
};

// What applies to the copies that become due from now on.
struct Phase {
  int block = -1;
  bool settled = false;
  double multiplicity = 1;  // copies per request: its integer part, and one more with the remainder's probability
  noise::NoiseModel noise;
};

// Deltas since the last take(), of one phase. Responses are counted to the block their request was due in.
struct Reading {
  int block = -1;
  bool settled = false;
  telemetry::Histogram response_time;  // due time to response complete, noise included; failures are not in it
  std::uint64_t replayed = 0, errors = 0, injected_errors = 0;
  telemetry::ReplayCounters counters;
};

// All calls on the thread that runs `io`. Each captured connection and copy number is a lane with a connection of its own, kept
// alive and closed as the client did; a request due while its lane is busy goes out on a further connection (open loop).
class Replayer {
 public:
  Replayer(boost::asio::io_context& io, Target target, Limits limits, std::uint64_t seed);
  ~Replayer();  // closes everything; what was scheduled is dropped
  void set_phase(const Phase& phase);
  void offer(protocol::Request request);
  void end_connection(std::uint64_t conn_id);
  // Drops what is scheduled (counted as cancelled) and resets connections with requests in flight (counted as timed out).
  void flush();
  std::size_t in_flight() const;
  std::vector<Reading> take();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace gnomon::replay
