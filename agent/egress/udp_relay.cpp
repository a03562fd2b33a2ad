#include "agent/egress/udp_relay.h"

#include <utility>

#include "agent/egress/forwarder.h"
#include "boost/asio/buffer.hpp"
#include "boost/asio/error.hpp"

namespace gnomon::egress {

namespace asio = boost::asio;
using boost::system::error_code;

struct UdpRelay::Peer {
  Peer(asio::io_context& io, Udp::endpoint from, Path& path)
      : source(std::move(from)), outside(io), due(io), line(path) {}
  const Udp::endpoint source;
  Udp::socket outside;
  asio::steady_timer due;
  DelayLine line;
  MonoTime used;
  bool delivering = false;
  std::array<char, 65536> buffer{};
};

UdpRelay::UdpRelay(asio::io_context& io, Udp::socket shadow, Udp::endpoint destination, Path& path, Counters& counters)
    : io_(io), shadow_(std::move(shadow)), destination_(std::move(destination)), path_(path), counters_(counters) {
  error_code ignored;
  shadow_.non_blocking(true, ignored);
}

void UdpRelay::receive() {
  shadow_.async_receive_from(asio::buffer(buffer_), source_, [this](error_code error, std::size_t length) {
    if (error == asio::error::operation_aborted) return;
    if (!error) forward(length);  // else it tells of an answer that its receiver did not want
    receive();
  });
}

void UdpRelay::forward(std::size_t length) {
  error_code error = asio::error::no_buffer_space;
  if (const std::shared_ptr<Peer> peer = peer_of(source_)) {
    peer->used = std::chrono::steady_clock::now();
    if (!peer->line.asked()) return;  // lost on purpose, as an answer is below
    peer->outside.send(asio::buffer(buffer_, length), 0, error);
  }
  ++(error ? counters_.dropped : counters_.datagrams);
}

std::shared_ptr<UdpRelay::Peer> UdpRelay::peer_of(const Udp::endpoint& source) {
  if (const auto known = peers_.find(source); known != peers_.end()) return known->second;
  if (peers_.size() >= Forwarder::kMostPeers) {
    const MonoTime idle = std::chrono::steady_clock::now() - kIdle;
    std::erase_if(peers_, [&](const auto& entry) {
      error_code ignored;
      if (entry.second->used < idle) entry.second->outside.close(ignored);
      return entry.second->used < idle;
    });
    if (peers_.size() >= Forwarder::kMostPeers) return nullptr;
  }
  const auto peer = std::make_shared<Peer>(io_, source, path_);
  error_code error;
  peer->outside.open(destination_.protocol(), error);
  if (!error) peer->outside.non_blocking(true, error);
  if (!error) peer->outside.connect(destination_, error);
  if (error) return nullptr;
  peers_.emplace(source, peer);
  answer(peer);
  return peer;
}

void UdpRelay::answer(const std::shared_ptr<Peer>& peer) {
  peer->outside.async_receive(asio::buffer(peer->buffer), [this, peer](error_code error, std::size_t length) {
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) return;
    if (!error && peer->line.held() + length > Forwarder::kMostHeld) {
      ++counters_.dropped;
    } else if (!error) {
      peer->used = std::chrono::steady_clock::now();
      if (peer->line.push(std::string(peer->buffer.data(), length), peer->used)) deliver(peer);
    }
    answer(peer);  // an error: nobody listens there, now
  });
}

void UdpRelay::deliver(const std::shared_ptr<Peer>& peer) {
  if (peer->delivering) return;
  while (!peer->line.empty() && peer->line.due() <= std::chrono::steady_clock::now()) {
    error_code error;
    shadow_.send_to(asio::buffer(peer->line.pop(std::chrono::steady_clock::now())), peer->source, 0, error);
    ++(error ? counters_.dropped : counters_.datagrams);
  }
  if (peer->line.empty()) return;
  peer->delivering = true;
  peer->due.expires_at(peer->line.due());
  peer->due.async_wait([this, peer](error_code stopped) {
    peer->delivering = false;
    if (!stopped) deliver(peer);
  });
}

}  // namespace gnomon::egress
