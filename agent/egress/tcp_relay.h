#pragma once
// One connection of a shadow and the one that is made in its place.

#include <array>
#include <memory>

#include "agent/egress/delay_line.h"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/steady_timer.hpp"

namespace gnomon::egress {

// Owned by the handlers that it waits for; ends when both sides have, or either fails, or noise has it fail.
// Half-closed sides stay so.
class TcpRelay : public std::enable_shared_from_this<TcpRelay> {
 public:
  using Tcp = boost::asio::ip::tcp;
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void connected(bool success) = 0;  // once
    virtual void ended() = 0;                  // once, last
  };

  TcpRelay(Tcp::socket shadow, Path& path, Owner& owner);
  ~TcpRelay() { owner_.ended(); }
  void connect(const Tcp::endpoint& destination);

 private:
  static constexpr std::size_t kPiece = 16u << 10;

  void read_request();
  void read_response();
  void deliver();
  void write_response();
  void fail();

  Tcp::socket shadow_, destination_;
  boost::asio::steady_timer patience_, due_;
  DelayLine line_;
  Owner& owner_;
  std::array<char, kPiece> request_{}, piece_{};
  std::string response_;
  bool reading_ = false, delivering_ = false, response_ended_ = false, failed_ = false;
};

}  // namespace gnomon::egress
