#pragma once
// Which of production's responses answers which captured request.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "agent/compare/reading.h"
#include "bpf/abi/response.h"

namespace gnomon::compare {

// Takes a connection's requests and the records of its responses in the order in which they were captured. Pure; memory
// of a connection is bounded by Reading::kMostWaiting requests and kMostEarly bytes.
class Pairing {
 public:
  static constexpr std::size_t kMostEarly = 64u << 10;

  Pairing(const Settings& settings, std::shared_ptr<Tally> tally) : settings_(settings), tally_(std::move(tally)) {}

  // `joined`: what was said before is not known.
  void open(std::uint64_t conn_id, bool joined);
  // The service has sent since the bytes of requests before those that come next.
  void sent(std::uint64_t conn_id);
  // The connection's next request. `replayed`: it will be handed to the replayer, and gets a watch.
  void request(protocol::Request& request, bool replayed);
  // A TAP_RESPONSE or TAP_RESPONSE_END.
  void record(const tap_record& header, std::span<const std::byte> payload);
  // Requests were lost here.
  void hole(std::uint64_t conn_id);
  // No more requests will come, or they can no longer be told apart.
  void give_up(std::uint64_t conn_id);
  void close(std::uint64_t conn_id) { connections_.erase(conn_id); }
  std::size_t open_connections() const { return connections_.size(); }

 private:
  struct Connection {
    std::unique_ptr<Reading> reading;   // null: no request has come yet, or it is hopeless
    std::optional<Outcome> lost;        // before that: why what comes next cannot be told
    std::optional<Outcome> hopeless;    // no response will be told, and why
    std::string early;                  // of the response to a request that is not whole yet
    std::optional<std::uint32_t> next;  // number after the last byte that is known of
    std::uint32_t from = 0;             // of the first byte sent since the service has read
    std::uint32_t sends = 0;            // of the service, since the last request
    bool fresh = true;                  // its first request has not come
  };
  void begin(Connection& connection, const protocol::Protocol& protocol) const;
  static void take(Connection& connection, std::span<const std::byte> data);
  static void skip(Connection& connection, std::uint64_t size, bool lost);
  static void lose(Connection& connection, Outcome why);
  static void despair(Connection& connection, Outcome why);

  const Settings settings_;
  const std::shared_ptr<Tally> tally_;
  std::unordered_map<std::uint64_t, Connection> connections_;
};

}  // namespace gnomon::compare
