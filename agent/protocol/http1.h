#pragma once
// HTTP/1.1 message framing (RFC 9112): where one message ends and the next begins. Incremental, bounded, and strict:
// what it cannot frame with certainty it refuses. Pure.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/protocol/http1_fields.h"
#include "agent/protocol/request.h"

namespace gnomon::protocol {

struct Http1Limits {
  std::size_t header_bytes = 64u << 10;
  std::size_t message_bytes =
      8u << 20;  // header and body; a longer request is counted as oversized and the stream given up
};

// Requests of one connection. Feed it the stream; it returns each request once, when it is whole.
class Http1RequestFramer {
 public:
  enum class State {
    kFraming,
    kJoining,     // started in the middle: waits for bytes after a send that begin a well-formed request
    kUnparsable,  // not HTTP/1.1, or ambiguous (RFC 9112 §6.3: both lengths, bad chunk size, …): nothing more will come
    kOversized,
    kUpgraded,  // CONNECT or Upgrade: what follows is another protocol
  };
  Http1RequestFramer(std::uint64_t conn_id, bool joined, Http1Limits limits = {});

  // Appends whole requests to `out`. `after_send`: the service sent something since the last call.
  void feed(std::span<const std::byte> data, MonoTime at, bool after_send, std::vector<Request>& out);
  State state() const;
  // Bytes of a request not yet whole: if the stream ends now, it is truncated.
  bool mid_message() const;
  std::size_t held_bytes() const;  // memory that the request not yet whole takes
  ~Http1RequestFramer();
  Http1RequestFramer(Http1RequestFramer&&) noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Responses of one client connection, for the replayer: bodies are skipped, not kept.
class Http1ResponseFramer {
 public:
  enum class Progress { kMore, kDone, kBroken };
  // Begins the next response. `head`: it answers a HEAD.
  void expect(bool head);
  // Consumes from the front of `data`; `*used` is how many bytes belonged to this response. 1xx responses are passed
  // over.
  Progress feed(std::span<const std::byte> data, std::size_t* used);
  // The peer closed: kDone if the response is delimited by that, else kBroken.
  Progress finish();
  int status() const { return status_; }           // 0 until the status line is read
  bool keep_alive() const { return keep_alive_; }  // may the connection carry another request

 private:
  enum class Stage { kHeader, kLength, kChunkSize, kChunkData, kChunkEnd, kTrailer, kUntilClose, kDone, kBroken };
  bool take_line(std::string_view data, std::size_t* pos, std::string_view* line);
  void take(std::string_view line);
  void status_line(std::string_view line);
  void header_end();

  Stage stage_ = Stage::kDone;
  bool head_ = false, keep_alive_ = true, old_version_ = false;
  int status_ = 0;
  std::uint64_t remaining_ = 0;
  Http1Fields fields_;
  std::size_t line_bytes_ = 0;
  std::string line_;         // a line that came in pieces
  bool line_whole_ = false;  // … and has been handed out
};

}  // namespace gnomon::protocol
