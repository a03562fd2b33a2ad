#pragma once
// memcached's client to a shadow: pipelines, and asks for a sign where a request has no certain reply.

#include <deque>
#include <string>

#include "agent/protocol/client.h"
#include "agent/protocol/memcached/reply.h"

namespace gnomon::protocol::mc {

class MemcachedClient final : public Client {
 public:
  explicit MemcachedClient(const ClientSettings& settings) : keep_(settings.kept_body_bytes) {}
  std::size_t concurrency() const override { return 256; }
  bool reusable() const override { return !broken_; }
  void send(const Request& request, std::uint64_t tag, std::string& out) override;
  bool receive(std::span<const std::byte> data, std::vector<Answer>& answers, std::string& out) override;

 private:
  struct Expected {
    bool until_sign;  // whatever comes before the reply to this side's own mn is its answer
    std::uint64_t tag;
    Gathered sum;
  };
  const std::size_t keep_;
  std::deque<Expected> expected_;
  ReplyParser parser_;
  bool broken_ = false;
};

}  // namespace gnomon::protocol::mc
