#include "agent/replay/connection.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace gnomon::replay {

namespace {

// How many pieces of a long response are read before other connections get their turn.
constexpr int kReadsInARow = 16;
// A send buffer that has grown beyond is given back once it is empty: large uploads are rare and connections many.
constexpr std::size_t kKeptBuffer = 16u << 10;

Connection::Failure failure_of_connect(int error) {
  return error == EADDRNOTAVAIL ? Connection::Failure::kNoSocket : Connection::Failure::kRefused;  // out of ports
}

}  // namespace

std::optional<Address> numeric_address(const std::string& address, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return std::nullopt;
  Address result{.storage = {}, .size = found->ai_addrlen};
  std::memcpy(&result.storage, found->ai_addr, found->ai_addrlen);
  ::freeaddrinfo(found);
  return result;
}

Connection::Connection(Loop& loop, Owner& owner, std::unique_ptr<protocol::Client> client, Scratch& scratch)
    : loop_(loop), owner_(owner), client_(std::move(client)), scratch_(scratch) {}

void Connection::open(const std::optional<Address>& shadow, const protocol::Request& first) {
  client_->start(first, out_);
  if (!shadow) return fail_later(Failure::kRefused);
  socket_.reset(::socket(shadow->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  const int on = 1;
  if (!socket_.valid() || ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
    return fail_later(Failure::kNoSocket);
  const auto* const address = reinterpret_cast<const sockaddr*>(&shadow->storage);
  if (::connect(socket_.get(), address, shadow->size) != 0 && errno != EINPROGRESS)
    return fail_later(failure_of_connect(errno));
  if (!loop_.watch(socket_.get(), *this)) fail_later(Failure::kNoSocket);
}

void Connection::send(const protocol::Request& request, std::uint64_t tag, bool cut) {
  if (unanswered_++ == 0) answering_ = false;
  client_->send(request, tag, out_);
  cut_ = cut_ || cut;
  if (!connected_) return;
  advance();
  if (!closed_ && !writing_) write();
}

// A peer that does not take what it was sent would have to be told of ever more that was taken back.
bool Connection::cancel(std::uint64_t tag) {
  if (closed_ || !connected_ || written_ < out_.size() || !client_->cancel(tag, out_)) return false;
  --unanswered_;
  write();
  return true;
}

void Connection::on_ready(std::uint32_t events) {
  const auto self = shared_from_this();  // whoever holds it may let go of it meanwhile
  if (!connected_) {
    on_connected();
  } else if (writing_ && (events & EPOLLOUT) != 0) {
    writing_ = false;
    write();
  }
  if (!closed_ && connected_ && (events & ~EPOLLOUT) != 0) read((events & ~(EPOLLIN | EPOLLOUT)) != 0);
}

// … or not.
void Connection::on_connected() {
  int error = 0;
  socklen_t size = sizeof(error);
  ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return fail(failure_of_connect(error));
  connected_ = true;
  advance();
  if (!closed_) write();
}

void Connection::on_time() {
  const auto self = shared_from_this();
  if (failure_) return fail(*failure_);
  advance();
  if (!closed_ && !writing_) write();
}

// Writes until the socket is full, and goes on when it is not. An error is left to the reading side, where an answer
// sent before the request was whole (413, 401) may be waiting.
void Connection::write() {
  while (written_ < out_.size()) {
    const ssize_t size = ::send(socket_.get(), out_.data() + written_, out_.size() - written_, MSG_NOSIGNAL);
    if (size < 0) {
      writing_ = errno == EAGAIN;
      return;
    }
    written_ += static_cast<std::size_t>(size);
  }
  out_.clear();
  written_ = 0;
  if (out_.capacity() > kKeptBuffer) std::string().swap(out_);
  if (cut_ && !client_->handshaking()) {
    close(true);
    owner_.cut(*this);
  }
}

// All there is, as what is left would not be told again. Less than there was room for is all there is, unless the peer
// has `ended`.
void Connection::read(bool ended) {
  for (int i = 0; i < kReadsInARow; ++i) {
    const ssize_t size = ::recv(socket_.get(), scratch_.bytes.data(), scratch_.bytes.size(), 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) return on_end();
    if (unanswered_ > 0 && !answering_ && !client_->handshaking() && owner_.resets(*this)) {
      close(true);
      return owner_.cut(*this);
    }
    const auto data = std::span(scratch_.bytes).first(static_cast<std::size_t>(size));
    take(data);
    if (closed_ || (!ended && data.size() < scratch_.bytes.size())) return;
  }
  loop_.watch_again(socket_.get(), *this);
}

void Connection::on_end() {
  std::vector<protocol::Answer> answers = room_for_answers();
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
  std::vector<protocol::Answer> answers = room_for_answers();
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
  if (unanswered_ > 0) return fail(client_->untouched() ? Failure::kStale : Failure::kReset);
  close(true);  // bytes nobody asked for: what follows could not be told apart
  owner_.closed(*this);
}

void Connection::advance() {
  if (!client_->keeps_times()) return;
  std::vector<protocol::Answer> answers = room_for_answers();
  const auto next = client_->advance(std::chrono::steady_clock::now(), answers, out_);
  report(std::move(answers));
  if (!closed_ && next) loop_.wake(*this, *next);
}

// Empty. What an answer leads to may need room of its own meanwhile.
std::vector<protocol::Answer> Connection::room_for_answers() {
  return std::exchange(scratch_.answers, {});
}

void Connection::report(std::vector<protocol::Answer> answers) {
  for (const protocol::Answer& answer : answers) {
    if (closed_) break;
    --unanswered_;
    used_ = true;
    owner_.answered(*this, answer);
  }
  answers.clear();
  scratch_.answers = std::move(answers);
}

void Connection::fail(Failure failure) {
  close(false);
  owner_.failed(*this, failure);
}

// Whoever opens a connection is not prepared to hear of its end meanwhile.
void Connection::fail_later(Failure failure) {
  failure_ = failure;
  loop_.wake(*this, MonoTime::min());
}

void Connection::close(bool reset) {
  if (std::exchange(closed_, true)) return;
  loop_.forget(*this);
  const linger now{.l_onoff = 1, .l_linger = 0};
  if (reset && socket_.valid()) ::setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  socket_.reset();
}

}  // namespace gnomon::replay
