#include "agent/egress/tcp_relay.h"

#include <utility>

#include "agent/egress/forwarder.h"
#include "boost/asio/buffer.hpp"
#include "boost/asio/error.hpp"
#include "boost/asio/write.hpp"

namespace gnomon::egress {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::chrono::seconds kConnectTimeout{10};

}  // namespace

TcpRelay::TcpRelay(Tcp::socket shadow, Path& path, Owner& owner)
    : shadow_(std::move(shadow)),
      destination_(shadow_.get_executor()),
      patience_(shadow_.get_executor(), kConnectTimeout),
      due_(shadow_.get_executor()),
      line_(path),
      owner_(owner) {}

void TcpRelay::connect(const Tcp::endpoint& destination) {
  patience_.async_wait([self = shared_from_this()](error_code stopped) {
    if (!stopped) self->fail();
  });
  destination_.async_connect(destination, [self = shared_from_this()](error_code error) {
    self->patience_.cancel();
    self->owner_.connected(!error && !self->failed_);
    if (error || self->failed_) return self->fail();
    error_code ignored;
    self->shadow_.set_option(Tcp::no_delay(true), ignored);
    self->destination_.set_option(Tcp::no_delay(true), ignored);
    self->read_request();
    self->read_response();
  });
}

void TcpRelay::read_request() {
  shadow_.async_read_some(asio::buffer(request_), [self = shared_from_this()](error_code error, std::size_t length) {
    if (error == asio::error::eof) {
      error_code ignored;
      self->destination_.shutdown(Tcp::socket::shutdown_send, ignored);
      return;
    }
    if (error) return self->fail();
    if (!self->line_.asked()) return self->fail();
    asio::async_write(self->destination_, asio::buffer(self->request_, length),
                      [self](error_code failed, std::size_t) { failed ? self->fail() : self->read_request(); });
  });
}

void TcpRelay::read_response() {
  if (reading_ || response_ended_ || failed_ || line_.held() > Forwarder::kMostHeld) return;
  reading_ = true;
  destination_.async_read_some(asio::buffer(piece_), [self = shared_from_this()](error_code error, std::size_t length) {
    self->reading_ = false;
    if (error && error != asio::error::eof) return self->fail();
    self->response_ended_ = error == asio::error::eof;
    if (length > 0 && !self->line_.push(std::string(self->piece_.data(), length), std::chrono::steady_clock::now()))
      return self->fail();
    self->deliver();
    self->read_response();
  });
}

// Writes what is due, in order, and waits for the rest.
void TcpRelay::deliver() {
  if (delivering_ || failed_) return;
  if (line_.empty()) {
    error_code ignored;
    if (response_ended_) shadow_.shutdown(Tcp::socket::shutdown_send, ignored);
    return;
  }
  delivering_ = true;
  if (line_.due() <= std::chrono::steady_clock::now()) return write_response();
  due_.expires_at(line_.due());
  due_.async_wait([self = shared_from_this()](error_code stopped) {
    if (!stopped && !self->failed_) self->write_response();
  });
}

void TcpRelay::write_response() {
  response_ = line_.pop(std::chrono::steady_clock::now());
  asio::async_write(shadow_, asio::buffer(response_), [self = shared_from_this()](error_code error, std::size_t) {
    self->delivering_ = false;
    if (error) return self->fail();
    self->read_response();
    self->deliver();
  });
}

// Both sides learn of it by a reset.
void TcpRelay::fail() {
  if (std::exchange(failed_, true)) return;
  error_code ignored;
  shadow_.set_option(asio::socket_base::linger(true, 0), ignored);
  shadow_.close(ignored);
  destination_.set_option(asio::socket_base::linger(true, 0), ignored);
  destination_.close(ignored);
  patience_.cancel();
  due_.cancel();
}

}  // namespace gnomon::egress
