#pragma once
// One TCP connection to the shadow: a socket under a protocol's client.

#include <sys/socket.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/protocol/client.h"
#include "agent/replay/loop.h"

namespace gnomon::replay {

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

// Of an IPv4 or IPv6 address; null: it is none.
std::optional<Address> numeric_address(const std::string& address, std::uint16_t port);

// Ends at close(), after which it calls its owner no more, or with whoever holds it.
class Connection : public std::enable_shared_from_this<Connection>, private Loop::Handler {
 public:
  enum class Failure {
    kNoSocket,  // this side has no descriptor or port left: nothing was sent
    kRefused,   // no connection was made
    kReset,     // closed or reset before all answers were whole, or an answer that is not understood
    kStale,  // the same with what was sent not begun on: the peer says so, or had not sent one byte since it was idle
  };
  // A failed or closed connection is closed already when that is reported.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void answered(Connection& connection, const protocol::Answer& answer) = 0;
    virtual void failed(Connection& connection, Failure failure) = 0;
    virtual void cut(Connection& connection) = 0;
    // The first bytes of a response have come to a connection that had been idle. True: cut it off here.
    virtual bool resets(Connection& connection) = 0;
    virtual void closed(Connection& connection) = 0;  // by the peer, with no request unanswered
  };

  // What all connections of one thread use in turn.
  struct Scratch {
    std::vector<std::byte> bytes = std::vector<std::byte>(64u << 10);  // what responses are read to
    std::vector<protocol::Answer> answers;
  };

  // `scratch` must outlive it.
  Connection(Loop& loop, Owner& owner, std::unique_ptr<protocol::Client> client, Scratch& scratch);
  ~Connection() override { close(false); }

  // Connects; `first` is what the client starts with, and is not sent by this. Without an address it fails as refused.
  void open(const std::optional<Address>& shadow, const protocol::Request& first);
  // Only where takes_another() is true. `cut`: reset the connection as soon as the request is sent.
  void send(const protocol::Request& request, std::uint64_t tag, bool cut);
  // Takes an unanswered request back. False: it ends with the connection alone, which is left to the caller.
  bool cancel(std::uint64_t tag);
  std::size_t concurrency() const { return client_->concurrency(); }
  bool takes_another() const { return reusable() && unanswered_ < concurrency(); }
  bool reusable() const { return !closed_ && !spoiled_ && client_->reusable(); }
  // `reset`: with a RST, dropping what is unsent.
  void close(bool reset);

 private:
  void on_ready(std::uint32_t events) override;
  void on_time() override;
  void on_connected();
  void write();
  void read(bool ended);
  void on_end();
  void take(std::span<const std::byte> data);
  void advance();
  std::vector<protocol::Answer> room_for_answers();
  void report(std::vector<protocol::Answer> answers);
  void fail(Failure failure);
  void fail_later(Failure failure);

  Loop& loop_;
  Owner& owner_;
  const std::unique_ptr<protocol::Client> client_;
  Scratch& scratch_;
  UniqueFd socket_;
  std::optional<Failure> failure_;  // not reported yet
  std::string out_;                 // to be sent; the first written_ bytes are
  std::size_t written_ = 0;
  std::size_t unanswered_ = 0;
  bool connected_ = false;
  bool writing_ = false;  // waits for room in the socket
  bool cut_ = false;
  bool answering_ = false;  // bytes have come since it was last idle
  bool used_ = false;       // a response was read from it before
  bool spoiled_ = false;    // takes no further request
  bool closed_ = false;
};

}  // namespace gnomon::replay
