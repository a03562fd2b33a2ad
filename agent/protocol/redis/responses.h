#pragma once
// A service's replies as responses to requests.

#include "agent/protocol/redis/reply.h"
#include "agent/protocol/response.h"

namespace gnomon::protocol::resp {

// Adds up what replies say, as it comes: their bytes, pushes left out, and the word of the first error.
class ReplySum {
 public:
  explicit ReplySum(std::size_t kept_body_bytes) : sum_(kept_body_bytes) {}
  // Reads on with the parser, off the front of `data`.
  ReplyParser::Progress advance(ReplyParser& parser, std::string_view& data);
  // Passes over so many bytes, of those that are ahead of it.
  ReplyParser::Progress skip(ReplyParser& parser, std::uint64_t bytes);
  Gathered& sum() { return sum_; }

 private:
  void ended(const ReplyParser& parser, ReplyParser::Progress progress);
  Gathered sum_;
};

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
  ReplyParser parser_;
  ReplySum sum_{0};
  std::uint32_t before_ = 0, left_ = 0;  // replies
};

}  // namespace gnomon::protocol::resp
