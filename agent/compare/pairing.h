#pragma once
// Which of production's responses answers which captured request: by their order on the connection.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "agent/compare/pair.h"
#include "bpf/abi/response.h"

namespace gnomon::compare {

// Takes a connection's requests and the records of its responses in the order in which they were captured. A place from
// which on responses cannot be told apart is left behind at the next response that surely begins one: the service has
// read since it sent last, and the connection's client has never had two requests under way. Pure; memory of a
// connection is bounded by kMostWaiting requests and kMostEarly bytes.
class Pairing {
 public:
  static constexpr std::size_t kMostWaiting = 1024;
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
  using Progress = protocol::ResponseReader::Progress;
  struct Waiting {
    protocol::ResponseReader::Expectation expectation;
    std::shared_ptr<Pair> pair;  // null: it is not replayed
  };
  struct Connection {
    std::unique_ptr<protocol::ResponseReader> reader;
    std::deque<Waiting> waiting;        // for their responses
    std::string early;                  // of the response to a request that is not whole yet
    std::optional<std::uint32_t> next;  // number after the last byte that is known of
    std::uint32_t from = 0;             // of the first byte sent since the service has read
    bool synced = true;                 // what comes next belongs to waiting.front()
    bool sent = false;                  // the service has, since the last request
    bool pipelined = false;             // the client has said more before it was answered
    bool hopeless = false;
    Outcome lost_by = Outcome::kUnpaired;  // why it is not synced
    // Of the response to waiting.front().
    bool reading = false;  // its first byte has come
    bool told = false;     // its pair has all it will get
    bool damaged = false;  // bytes of it within the bound were lost
  };
  void take(Connection& connection, std::span<const std::byte> data);
  void skip(Connection& connection, std::uint64_t size, bool lost);
  bool resync(Connection& connection);
  void lose_sync(Connection& connection, Outcome why);
  void tell_at_bound(Connection& connection);
  static void begin(Connection& connection);
  static void tell(Connection& connection);
  static void pop(Connection& connection);
  static void drop(Connection& connection, std::size_t kept, Outcome why);
  static void despair(Connection& connection, Outcome why);

  const Settings settings_;
  const std::shared_ptr<Tally> tally_;
  std::unordered_map<std::uint64_t, Connection> connections_;
};

}  // namespace gnomon::compare
