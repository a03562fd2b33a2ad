#pragma once
// The service's half of a connection.

#include <map>

#include "agent/protocol/http2/frames.h"
#include "agent/protocol/http2/header_block.h"
#include "agent/protocol/http2/response.h"
#include "agent/protocol/response.h"

namespace gnomon::protocol {

// Streams' responses, from the connection's first byte on. Past bytes that are not at hand it goes on where they are
// all inside of one frame that holds no header fields. Where they are not, the frames that follow and what their header
// fields take from earlier ones are unknown: it goes on where a response to a request that is known begins behind
// nothing but whole frames, and tells of it what does not depend on the fields that were missed. Pushed ones end it.
class Http2Responses final : public StreamReader, private Http2FrameSink {
 public:
  explicit Http2Responses(std::size_t kept_body_bytes) : keep_(kept_body_bytes) {}
  void expect(const Request& request, std::vector<Told>& told) override;
  bool feed(std::span<const std::byte> data, std::vector<Told>& told) override;
  bool skip(std::uint64_t size, bool lost, std::vector<Told>& told) override;
  void stop(std::uint32_t last, std::vector<Told>& told) override;
  void resume() override;
  bool sure() const override { return sure_; }

 private:
  struct Stream {
    explicit Stream(std::size_t kept_body_bytes) : response(kept_body_bytes) {}
    Http2Response response;
    bool expected = false, grpc = false;  // its request has come
    bool begun = false, ended = false;    // of its response some has come, or all
    bool damaged = false;
  };
  bool frame(const Http2Frame& frame) override;
  bool payload(const Http2Frame& frame, std::string_view piece, bool last) override;
  bool frame_end(const Http2Frame& frame) override;
  bool may_come_first(const Http2Frame& frame) const;
  Stream& stream(std::uint32_t id);
  Stream* under_way(std::uint32_t id);
  void tell(std::uint32_t id);

  const std::size_t keep_;
  Http2FrameReader reader_{Http2FrameReader::Side::kService};
  Http2HeaderDecoder decoder_;
  std::map<std::uint32_t, Stream> streams_;  // that are under way, or whole before their requests are
  std::uint32_t stopped_ = 0;                // up to which no stream is told any more
  bool sure_ = true;                         // that what comes is read from where a frame begins
  std::uint32_t block_ = 0;                  // whose header fields are under way; 0: none's
  bool block_ends_ = false;                  // … and end its response
  std::vector<Told>* told_ = nullptr;        // during a call
};

}  // namespace gnomon::protocol
