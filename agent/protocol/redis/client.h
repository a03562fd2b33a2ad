#pragma once
// Redis's client to a shadow: pipelines, and keeps its session what the captured connection's was.

#include <deque>
#include <string>

#include "agent/protocol/client.h"
#include "agent/protocol/redis/responses.h"

namespace gnomon::protocol::resp {

class RedisClient final : public Client {
 public:
  explicit RedisClient(const ClientSettings& settings)
      : password_(settings.password), keep_(settings.kept_body_bytes) {}
  void start(const Request& first, std::string& out) override;
  std::size_t concurrency() const override { return 256; }
  bool reusable() const override { return !broken_; }
  void send(const Request& request, std::uint64_t tag, std::string& out) override;
  bool receive(std::span<const std::byte> data, std::vector<Answer>& answers, std::string& out) override;

 private:
  struct Expected {
    std::uint32_t replies = 0;
    bool setup = false;  // answers what this side says of itself
    std::uint64_t tag = 0;
    ReplySum sum{0};
  };
  void say(const std::shared_ptr<const std::string>& prelude, std::string& out);

  const std::string password_;
  const std::size_t keep_;
  std::shared_ptr<const std::string> said_;
  std::deque<Expected> expected_;
  ReplyParser parser_;
  bool broken_ = false;
};

}  // namespace gnomon::protocol::resp
