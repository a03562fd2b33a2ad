#pragma once
// One TCP connection to the shadow: sends a request at a time and reads its response to the end.

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "agent/protocol/http1.h"
#include "boost/asio/ip/tcp.hpp"

namespace gnomon::replay {

// Kept alive by its pending operations and by whoever holds it; ends at close(), after which it calls its owner no
// more. The owner must close it before it goes away itself.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  enum class Failure {
    kNoSocket,  // this side has no descriptor or port left: nothing was sent
    kRefused,   // no connection was made
    kReset,     // closed or reset before the response was whole, or the response is not HTTP/1.1
    kStale,     // the same on a connection that was used before, and not one byte of the response had come
  };
  // Whatever is reported but answered() finds the connection closed already.
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void answered(Connection& connection, int status) = 0;
    virtual void failed(Connection& connection, Failure failure) = 0;
    virtual void cut(Connection& connection) = 0;
    virtual void closed(Connection& connection) = 0;  // by the peer, with no request on it
  };
  struct Message {
    std::shared_ptr<const std::string> bytes;
    bool head = false;  // the response has no body
    bool cut = false;   // reset the connection once the request is sent
  };

  // `scratch`: where the rest of long responses is read to, shared by the connections of one thread; must outlive them.
  Connection(boost::asio::io_context& io, Owner& owner, std::vector<std::byte>& scratch);
  virtual ~Connection() = default;

  // Connects and sends `first`.
  void open(const boost::asio::ip::tcp::endpoint& shadow, Message first);
  // Sends a further request. Only when the one before was answered and reusable() is true.
  void send(Message message);
  bool reusable() const { return !closed_ && reusable_; }
  // `reset`: with a RST, dropping what is unsent.
  void close(bool reset);

 private:
  void begin(Message message);
  void write();
  void read();
  void on_read(const boost::system::error_code& error, std::size_t size);
  void on_end();
  void take(std::span<const std::byte> data);
  void finish(bool reusable);
  void fail(Failure failure);

  boost::asio::ip::tcp::socket socket_;
  Owner& owner_;
  std::vector<std::byte>& scratch_;
  protocol::Http1ResponseFramer framer_;
  Message message_;
  std::size_t written_ = 0;
  bool awaiting_ = false;   // a request is on it and its response not whole
  bool answering_ = false;  // … but the first byte of it has come
  bool used_ = false;       // a response was read from it before
  bool reusable_ = false;
  bool closed_ = false;
  std::array<std::byte, 2048> buffer_;
};

}  // namespace gnomon::replay
