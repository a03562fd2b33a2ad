#pragma once
// The client's side of a connection to a shadow.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/protocol/client.h"
#include "agent/protocol/postgres/authentication.h"
#include "agent/protocol/postgres/responses.h"
#include "agent/protocol/postgres/session.h"

namespace gnomon::protocol::pg {

// Starts the session as the captured one was started, answers the server's challenge with the settings' password, and
// before each unit makes up what production's session has and this one lacks. Units are pipelined.
class PostgresClient final : public Client {
 public:
  explicit PostgresClient(const ClientSettings& settings)
      : password_(settings.password), keep_(settings.kept_body_bytes) {}

  void start(const Request& first, std::string& out) override;
  std::size_t concurrency() const override;
  bool reusable() const override { return reusable_; }
  bool handshaking() const override { return !ready_; }
  void send(const Request& request, std::uint64_t tag, std::string& out) override;
  bool receive(std::span<const std::byte> data, std::vector<Answer>& answers, std::string& out) override;

 private:
  struct Expected {
    std::uint64_t tag = 0;
    UnitSum sum{0};
    std::uint32_t replies = 0;  // ReadyForQuery still to come
    bool own = false;           // the client's, to make up the session
  };
  using Text = std::shared_ptr<const std::string>;
  std::uint32_t make_up(const Text& prelude, std::string& out);
  bool begin_message();
  bool end_message(std::vector<Answer>& answers, std::string& out);
  bool authenticate(std::string& out);
  bool choose_mechanism(std::string_view mechanisms, std::string& out);
  bool ready_for_query(std::vector<Answer>& answers, std::string& out);

  const std::string password_;
  const std::size_t keep_;
  std::string user_;
  std::optional<Scram> scram_;
  bool ready_ = false;  // authenticated, and the first ReadyForQuery has come
  bool reusable_ = true;
  std::string waiting_;  // what is sent before that
  std::deque<Expected> expected_;

  Session session_;      // of this connection, before `last_`
  Text prelude_, last_;  // what session_ was made from; the last unit sent

  MessageReader reader_;
  bool kept_ = false;  // the message under way
  std::string body_;   // … as far as it has come
};

}  // namespace gnomon::protocol::pg
