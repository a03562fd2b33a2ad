#pragma once
// A service's replies as responses to requests.

#include "agent/protocol/memcached/reply.h"
#include "agent/protocol/response.h"

namespace gnomon::protocol::mc {

class Responses final : public ResponseReader {
 public:
  explicit Responses(std::size_t kept_body_bytes) : keep_(kept_body_bytes) {}
  void expect(const Expectation& expectation) override;
  Progress feed(std::span<const std::byte> data, std::size_t* used) override;
  Progress skip(std::uint64_t size, std::uint64_t* used) override;
  Response take() override;

 private:
  Progress after(ReplyParser::Progress progress);

  const std::size_t keep_;
  Expectation expected_;
  ReplyParser parser_;
  Gathered sum_;
  std::uint32_t replies_ = 0;  // that have come
  bool whole_ = false;
};

}  // namespace gnomon::protocol::mc
