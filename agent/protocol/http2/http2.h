#pragma once
// HTTP/2 with prior knowledge (RFC 9113), and gRPC over it: from the client's half of a connection to whole requests,
// and back. Pure.

#include <memory>
#include <string_view>

#include "agent/protocol/protocol.h"

namespace gnomon::protocol {

// GET, HEAD, OPTIONS and TRACE are the requests that do not write; a gRPC call's endpoint is "/package.Service/Method".
const Protocol& http2();

// What a client says first (RFC 9113 §3.4).
constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// The requests of one connection, in the form of unit.h. Each stream of HTTP/2 is one, whole when the client has ended
// its half; what is wrong with one stream leaves the others alone, see skipped(). Only the client's bytes are seen:
// what the service allows (its SETTINGS, its windows) or refuses (RST_STREAM, GOAWAY) is not, and not enforced.
class Http2RequestFramer final : public RequestFramer {
 public:
  Http2RequestFramer(std::uint64_t conn_id, bool joined, const Limits& limits = {});
  ~Http2RequestFramer() override;

  void feed(std::span<const std::byte> data, MonoTime at, bool after_send, std::vector<Request>& out) override;
  State state() const override;
  bool mid_message() const override;
  std::size_t held_bytes() const override;
  std::size_t under_way() const override;
  Skipped skipped() const override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// One connection to a shadow, any number of requests at once.
std::unique_ptr<Client> http2_client(const ClientSettings& settings);

}  // namespace gnomon::protocol
