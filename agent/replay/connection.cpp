#include "agent/replay/connection.h"

#include <utility>

#include "boost/asio/buffer.hpp"
#include "boost/asio/error.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/post.hpp"

namespace gnomon::replay {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// How many pieces of a long response are read before other connections get their turn.
constexpr int kReadsInARow = 16;
// A send buffer that has grown beyond is given back once it is empty: large uploads are rare and connections many.
constexpr std::size_t kKeptBuffer = 16u << 10;

}  // namespace

Connection::Connection(asio::io_context& io, Owner& owner, std::unique_ptr<protocol::Client> client,
                       std::vector<std::byte>& scratch)
    : socket_(io), owner_(owner), client_(std::move(client)), scratch_(scratch) {}

void Connection::open(const std::optional<asio::ip::tcp::endpoint>& shadow, const protocol::Request& first) {
  client_->start(first, out_);
  if (!shadow) return fail_later(Failure::kRefused);
  error_code error;
  socket_.open(shadow->protocol(), error);
  if (!error) socket_.non_blocking(true, error);
  if (!error) socket_.set_option(asio::ip::tcp::no_delay(true), error);
  if (error) return fail_later(Failure::kNoSocket);
  socket_.async_connect(*shadow, [self = shared_from_this()](error_code refused) {
    if (self->closed_) return;
    if (refused == boost::system::errc::address_not_available)  // out of ports
      return self->fail(Failure::kNoSocket);
    if (refused) return self->fail(Failure::kRefused);
    self->connected_ = true;
    self->read();
    self->advance();
    if (!self->closed_) self->write();
  });
}

void Connection::send(const protocol::Request& request, std::uint64_t tag, bool cut) {
  if (unanswered_++ == 0) answering_ = false;
  client_->send(request, tag, out_);
  cut_ = cut_ || cut;
  if (!connected_) return;
  advance();
  if (!closed_ && !writing_) write();
}

// Writes until the socket is full, and goes on when it is not. An error is left to the reading side, where an answer
// sent before the request was whole (413, 401) may be waiting.
void Connection::write() {
  error_code error;
  while (!error && written_ < out_.size()) written_ += socket_.write_some(asio::buffer(out_) + written_, error);
  if (error == asio::error::would_block) {
    writing_ = true;
    socket_.async_wait(asio::ip::tcp::socket::wait_write, [self = shared_from_this()](error_code stopped) {
      self->writing_ = false;
      if (!self->closed_ && !stopped) self->write();
    });
    return;
  }
  if (error) return;
  out_.clear();
  written_ = 0;
  if (out_.capacity() > kKeptBuffer) std::string().swap(out_);
  if (cut_ && !client_->handshaking()) {
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
  if (unanswered_ > 0 && !answering_ && !client_->handshaking() && owner_.resets(*this)) {
    close(true);
    return owner_.cut(*this);
  }
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
  std::vector<protocol::Answer> answers;
  client_->finish(answers);
  const bool all = answers.size() == unanswered_;
  report(std::move(answers));
  if (closed_) return;
  if (!all) return fail(used_ && !answering_ ? Failure::kStale : Failure::kReset);
  close(false);
  owner_.closed(*this);
}

void Connection::take(std::span<const std::byte> data) {
  answering_ = true;
  std::vector<protocol::Answer> answers;
  const std::size_t before = out_.size();
  const bool unsent = written_ < before;
  const bool understood = client_->receive(data, answers, out_);
  // All is answered and not all was sent: what the service makes of the rest cannot be told.
  spoiled_ = spoiled_ || (unsent && answers.size() == unanswered_);
  report(std::move(answers));
  if (closed_) return;
  if (understood) {
    advance();
    if (closed_) return;
    if (out_.size() != before && !writing_) write();
    return;
  }
  if (unanswered_ > 0) return fail(Failure::kReset);
  close(true);  // bytes nobody asked for: what follows could not be told apart
  owner_.closed(*this);
}

void Connection::advance() {
  std::vector<protocol::Answer> answers;
  const auto next = client_->advance(std::chrono::steady_clock::now(), answers, out_);
  report(std::move(answers));
  if (closed_ || !next) return;
  if (!timer_) timer_.emplace(socket_.get_executor());
  timer_->expires_at(*next);
  timer_->async_wait([self = shared_from_this()](error_code replaced) {
    if (replaced || self->closed_) return;
    self->advance();
    if (!self->closed_ && !self->writing_) self->write();
  });
}

void Connection::report(std::vector<protocol::Answer> answers) {
  for (const protocol::Answer& answer : answers) {
    if (closed_) return;
    --unanswered_;
    used_ = true;
    owner_.answered(*this, answer);
  }
}

void Connection::fail(Failure failure) {
  close(false);
  owner_.failed(*this, failure);
}

// Whoever opens a connection is not prepared to hear of its end meanwhile.
void Connection::fail_later(Failure failure) {
  asio::post(socket_.get_executor(), [self = shared_from_this(), failure] {
    if (!self->closed_) self->fail(failure);
  });
}

void Connection::close(bool reset) {
  if (std::exchange(closed_, true)) return;
  if (timer_) timer_->cancel();
  error_code ignored;
  if (reset) socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
}

}  // namespace gnomon::replay
