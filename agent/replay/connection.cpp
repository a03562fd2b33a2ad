#include "agent/replay/connection.h"

#include <utility>

#include "boost/asio/buffer.hpp"
#include "boost/asio/error.hpp"
#include "boost/asio/io_context.hpp"

namespace gnomon::replay {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// How many pieces of a long response are read before other connections get their turn.
constexpr int kReadsInARow = 16;

}  // namespace

Connection::Connection(asio::io_context& io, Owner& owner, std::vector<std::byte>& scratch)
    : socket_(io), owner_(owner), scratch_(scratch) {}

void Connection::open(const asio::ip::tcp::endpoint& shadow, Message first) {
  error_code error;
  socket_.open(shadow.protocol(), error);
  if (!error) socket_.non_blocking(true, error);
  if (!error) socket_.set_option(asio::ip::tcp::no_delay(true), error);
  if (error) return fail(Failure::kNoSocket);
  awaiting_ = true;
  socket_.async_connect(shadow, [self = shared_from_this(), first = std::move(first)](error_code refused) mutable {
    if (self->closed_) return;
    if (refused == boost::system::errc::address_not_available)  // out of ports
      return self->fail(Failure::kNoSocket);
    if (refused) return self->fail(Failure::kRefused);
    self->read();
    self->begin(std::move(first));
  });
}

void Connection::send(Message message) {
  begin(std::move(message));
}

void Connection::begin(Message message) {
  message_ = std::move(message);
  written_ = 0;
  awaiting_ = true;
  answering_ = reusable_ = false;
  framer_.expect(message_.head);
  write();
}

// Writes until the socket is full, and goes on when it is not. An error is left to the reading side, where an answer
// sent before the request was whole (413, 401) may be waiting.
void Connection::write() {
  error_code error;
  while (!error && written_ < message_.bytes->size())
    written_ += socket_.write_some(asio::buffer(*message_.bytes) + written_, error);
  if (error == asio::error::would_block) {
    socket_.async_wait(asio::ip::tcp::socket::wait_write, [self = shared_from_this()](error_code stopped) {
      if (!self->closed_ && !stopped && self->awaiting_) self->write();
    });
  } else if (!error && message_.cut) {
    close(true);
    owner_.cut(*this);
  }
}

// One read is always pending: on an idle connection it is how a close by the peer is noticed.
void Connection::read() {
  socket_.async_read_some(asio::buffer(buffer_), [self = shared_from_this()](error_code error, std::size_t size) {
    self->on_read(error, size);
  });
}

void Connection::on_read(const error_code& error, std::size_t size) {
  if (closed_) return;
  if (error) return on_end();
  take(std::span(buffer_).first(size));
  // A full buffer: there may be more; take it in larger pieces.
  bool more = size == buffer_.size();
  for (int i = 0; more && !closed_ && i < kReadsInARow; ++i) {
    error_code end;
    const std::size_t got = socket_.read_some(asio::buffer(scratch_), end);
    if (end && end != asio::error::would_block) return on_end();
    if (got > 0) take(std::span(scratch_).first(got));
    more = got == scratch_.size();
  }
  if (!closed_) read();
}

void Connection::on_end() {
  if (!awaiting_) {
    close(false);
    owner_.closed(*this);
  } else if (framer_.finish() == protocol::Http1ResponseFramer::Progress::kDone) {
    finish(false);
  } else {
    fail(used_ && !answering_ ? Failure::kStale : Failure::kReset);
  }
}

void Connection::take(std::span<const std::byte> data) {
  if (!awaiting_) {  // bytes nobody asked for: what follows could not be told apart
    close(true);
    return owner_.closed(*this);
  }
  answering_ = true;
  std::size_t used = 0;
  switch (framer_.feed(data, &used)) {
    case protocol::Http1ResponseFramer::Progress::kMore:
      return;
    case protocol::Http1ResponseFramer::Progress::kDone:
      return finish(framer_.keep_alive() && used == data.size() && written_ == message_.bytes->size());
    case protocol::Http1ResponseFramer::Progress::kBroken:
      return fail(Failure::kReset);
  }
}

void Connection::finish(bool reusable) {
  awaiting_ = false;
  used_ = true;
  reusable_ = reusable;
  message_ = {};
  owner_.answered(*this, framer_.status());
}

void Connection::fail(Failure failure) {
  close(false);
  owner_.failed(*this, failure);
}

void Connection::close(bool reset) {
  if (std::exchange(closed_, true)) return;
  error_code ignored;
  if (reset) socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
}

}  // namespace gnomon::replay
