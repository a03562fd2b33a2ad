#pragma once
// HTTP/1.1 message framing (RFC 9112): where one message ends and the next begins. Incremental, bounded, and strict:
// what it cannot frame with certainty it refuses. Pure.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "agent/protocol/http1/fields.h"
#include "agent/protocol/protocol.h"

namespace gnomon::protocol {

// Detected, framed, classed and replayed; GET, HEAD, OPTIONS and TRACE are the requests that do not write.
const Protocol& http1();

// Requests of one connection. CONNECT and Upgrade end it: what follows is another protocol.
class Http1RequestFramer final : public RequestFramer {
 public:
  Http1RequestFramer(std::uint64_t conn_id, bool joined, const Limits& limits = {});
  ~Http1RequestFramer() override;

  void feed(std::span<const std::byte> data, MonoTime at, bool after_send, std::vector<Request>& out) override;
  State state() const override;
  bool mid_message() const override;
  std::size_t held_bytes() const override;
  bool has_no_memory() const override { return true; }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Responses of one connection, the shadow's or production's; of a body the first bytes may be kept.
class Http1ResponseFramer {
 public:
  using Progress = ResponseReader::Progress;
  // Begins the next response. `head`: it answers a HEAD. `keep`: so many bytes of its body.
  void expect(bool head, std::size_t keep = 0);
  // Consumes from the front of `data`; `*used` is how many bytes belonged to this response. 1xx responses are passed
  // over.
  Progress feed(std::span<const std::byte> data, std::size_t* used);
  // Passes over the next `size` bytes, which are not at hand, or as many of them as are of this response; nothing is
  // kept of the body from there on. kBroken, if they are not all inside of its body.
  Progress skip(std::uint64_t size, std::uint64_t* used);
  // The peer closed: kDone if the response is delimited by that, else kBroken.
  Progress finish();
  int status() const { return status_; }  // 0 until the status line is read
  std::uint64_t body_bytes() const { return body_bytes_; }
  // As the header says, or the whole response; nullopt: its end will tell, or has to be found.
  std::optional<std::uint64_t> body_size() const;
  bool until_close() const { return stage_ == Stage::kUntilClose; }
  Body take_body() { return std::move(body_); }    // what is kept of it
  bool keep_alive() const { return keep_alive_; }  // may the connection carry another request

 private:
  enum class Stage { kHeader, kLength, kChunkSize, kChunkData, kChunkEnd, kTrailer, kUntilClose, kDone, kBroken };
  bool take_line(std::string_view data, std::size_t* pos, std::string_view* line);
  void take(std::string_view line);
  void status_line(std::string_view line);
  void header_end();
  void pass(std::string_view body);

  Stage stage_ = Stage::kDone;
  bool head_ = false, keep_alive_ = true, old_version_ = false;
  int status_ = 0;
  std::uint64_t remaining_ = 0, body_bytes_ = 0;
  Http1Fields fields_;
  std::size_t line_bytes_ = 0;
  std::string line_;         // a line that came in pieces
  bool line_whole_ = false;  // … and has been handed out
  Body body_;
};

}  // namespace gnomon::protocol
