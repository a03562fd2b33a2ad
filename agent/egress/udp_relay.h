#pragma once
// The datagrams that a shadow exchanges with one destination.

#include <array>
#include <cstdint>
#include <map>
#include <memory>

#include "agent/egress/delay_line.h"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/udp.hpp"
#include "boost/asio/steady_timer.hpp"

namespace gnomon::egress {

// Each socket of the shadow gets one towards the destination, until it has been idle for kIdle and others need room.
class UdpRelay {
 public:
  using Udp = boost::asio::ip::udp;
  static constexpr std::chrono::seconds kIdle{30};

  struct Counters {
    std::uint64_t datagrams = 0;  // that went on, in either direction
    std::uint64_t dropped = 0;    // no room for their socket or their delay, or the kernel would not take them
  };

  // `path` and `counters` must live longer.
  UdpRelay(boost::asio::io_context& io, Udp::socket shadow, Udp::endpoint destination, Path& path, Counters& counters);
  void start() { receive(); }

 private:
  struct Peer;
  void receive();
  void forward(std::size_t length);
  std::shared_ptr<Peer> peer_of(const Udp::endpoint& source);
  void answer(const std::shared_ptr<Peer>& peer);
  void deliver(const std::shared_ptr<Peer>& peer);

  boost::asio::io_context& io_;
  Udp::socket shadow_;
  const Udp::endpoint destination_;
  Path& path_;
  Counters& counters_;
  std::map<Udp::endpoint, std::shared_ptr<Peer>> peers_;
  Udp::endpoint source_;
  std::array<char, 65536> buffer_{};
};

}  // namespace gnomon::egress
