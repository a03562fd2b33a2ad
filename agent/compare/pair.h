#pragma once
// Production's response to a request and the shadow's to the same one, until both are there.

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "agent/compare/tally.h"
#include "agent/protocol/client.h"
#include "agent/protocol/request.h"
#include "agent/protocol/response.h"

namespace gnomon::compare {

struct Settings {
  bool body = false;      // else statuses and sizes alone
  std::size_t bytes = 0;  // of each response, header included, that are captured at most
};

// Of production's response what was captured, against the shadow's, whose body is as much of it as settings.bytes.
// `damaged`: not all that was to be captured was.
Outcome compare(const Settings& settings, const protocol::Response& production, bool damaged,
                const protocol::Response& shadow);

// Counts one outcome for its request, if that was sent to the shadow: when both are known, or else when it goes.
// Thread-safe.
class Pair final : public protocol::ReplayWatch {
 public:
  Pair(std::shared_ptr<Tally> tally, const Settings& settings, std::string endpoint)
      : tally_(std::move(tally)), settings_(settings), endpoint_(std::move(endpoint)) {}
  ~Pair() override;

  void production(protocol::Response response, bool damaged);
  // There will be none.
  void missing(Outcome why);

  void sent() override;
  void answered(const protocol::Answer& answer) override;

 private:
  struct Half {
    protocol::Response response;
    std::size_t held = 0;
  };
  void keep(std::optional<Half>& half, protocol::Response response);
  void settle();

  const std::shared_ptr<Tally> tally_;
  const Settings settings_;
  const std::string endpoint_;
  std::mutex mutex_;
  std::optional<Half> production_, shadow_;
  std::optional<Outcome> missing_;
  bool damaged_ = false, sent_ = false, settled_ = false;
};

}  // namespace gnomon::compare
