#include "tests/integration/conformance.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <mutex>
#include <thread>
#include <utility>

#include "boost/asio.hpp"

namespace gnomon::protocol {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

int connect_to(std::uint16_t port) {
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{.tv_sec = 20, .tv_usec = 0};
  ::setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(made, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return made;
  ::close(made);
  return -1;
}

bool write_all(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

}  // namespace

std::string output_of(const std::string& command) {
  std::string output;
  FILE* const pipe = popen(("{ " + command + "\n} 2>&1").c_str(), "r");
  if (pipe == nullptr) return output;
  std::array<char, 4096> buffer{};
  while (const std::size_t size = fread(buffer.data(), 1, buffer.size(), pipe)) output.append(buffer.data(), size);
  pclose(pipe);
  return output;
}

std::string program_path(const std::string& name) {
  for (const std::string directory : {"/usr/bin/", "/usr/sbin/"})
    if (access((directory + name).c_str(), X_OK) == 0) return directory + name;
  return {};
}

Server::Server(const Arguments& arguments) : port_(shadow::free_port()) {
  EXPECT_EQ(chmod(directory_.path().c_str(), 0755), 0);  // servers may become another user
  service_ = std::make_unique<shadow::Service>(arguments(port_, directory_), directory_.path());
  const auto listening = shadow::wait_for_instance(port_);
  EXPECT_TRUE(listening.ok()) << listening.status();
}

struct RecordingProxy::Impl {
  struct Pair {
    Pair(asio::io_context& io, std::vector<std::string>& its_record) : client(io), server(io), record(its_record) {}
    tcp::socket client, server;
    std::vector<std::string>& record;
    std::array<char, 16384> up{}, down{};
  };
  explicit Impl(std::uint16_t server_port)
      : server(asio::ip::address_v4::loopback(), server_port),
        acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    accept();
    thread = std::thread([this] { io.run(); });
  }
  void accept() {
    acceptor.async_accept([this](boost::system::error_code error, tcp::socket socket) {
      if (error) return;
      std::unique_lock lock(mutex);
      auto pair = std::make_shared<Pair>(io, *records.emplace_back(std::make_unique<std::vector<std::string>>()));
      lock.unlock();
      pair->client = std::move(socket);
      pair->server.connect(server, error);
      if (!error) {
        pass(pair, true);
        pass(pair, false);
      }
      accept();
    });
  }
  void pass(const std::shared_ptr<Pair>& pair, bool up) {
    tcp::socket& from = up ? pair->client : pair->server;
    from.async_read_some(asio::buffer(up ? pair->up : pair->down),
                         [this, pair, up](boost::system::error_code error, std::size_t size) {
                           tcp::socket& to = up ? pair->server : pair->client;
                           auto& buffer = up ? pair->up : pair->down;
                           boost::system::error_code ignored;
                           if (error) {
                             to.shutdown(tcp::socket::shutdown_send, ignored);
                             return;
                           }
                           if (up) {
                             const std::lock_guard lock(mutex);
                             pair->record.emplace_back(buffer.data(), size);
                           }
                           asio::write(to, asio::buffer(buffer.data(), size), ignored);
                           pass(pair, up);
                         });
  }
  asio::io_context io;
  const tcp::endpoint server;
  tcp::acceptor acceptor;
  mutable std::mutex mutex;
  std::vector<std::unique_ptr<std::vector<std::string>>> records;
  std::thread thread;
};

RecordingProxy::RecordingProxy(std::uint16_t server_port) : impl_(std::make_unique<Impl>(server_port)) {}

RecordingProxy::~RecordingProxy() {
  impl_->io.stop();
  impl_->thread.join();
}

std::uint16_t RecordingProxy::port() const {
  return impl_->acceptor.local_endpoint().port();
}

std::vector<std::vector<std::string>> RecordingProxy::connections() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<std::vector<std::string>> all;
  for (const auto& record : impl_->records) all.push_back(*record);
  return all;
}

std::vector<std::vector<Request>> frame(const RecordingProxy& proxy, const Protocol& protocol) {
  std::vector<std::vector<Request>> all;
  for (const auto& pieces : proxy.connections()) {
    const auto framer = protocol.framer(all.size() + 1, false, {});
    auto& units = all.emplace_back();
    for (const std::string& piece : pieces) framer->feed(std::as_bytes(std::span(piece)), {}, false, units);
    EXPECT_EQ(framer->state(), RequestFramer::State::kFraming);
    EXPECT_FALSE(framer->mid_message());
  }
  return all;
}

Dialogue::Dialogue(std::uint16_t port, const Protocol& protocol, const ClientSettings& settings)
    : socket_(connect_to(port)), client_(protocol.client(settings)) {}

Dialogue::~Dialogue() {
  if (socket_ >= 0) ::close(socket_);
}

std::vector<Answer> Dialogue::exchange(const std::vector<Request>& units) {
  std::vector<Answer> answers;
  std::string out;
  if (!std::exchange(started_, true) && !units.empty()) client_->start(units.front(), out);
  std::array<char, 16384> buffer{};
  std::size_t sent = 0;
  while (answers.size() < units.size()) {
    for (; sent < units.size() && client_->reusable() && sent - answers.size() < client_->concurrency(); ++sent)
      client_->send(units[sent], sent, out);
    if (!write_all(socket_, std::exchange(out, {}))) break;
    const ssize_t size = ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (size == 0) client_->finish(answers);
    if (size <= 0) break;
    const auto bytes = std::as_bytes(std::span(buffer).first(static_cast<std::size_t>(size)));
    if (!client_->receive(bytes, answers, out)) break;
  }
  std::ranges::sort(answers, {}, &Answer::tag);
  return answers;
}

std::size_t errors(const std::vector<Answer>& answers) {
  return static_cast<std::size_t>(std::ranges::count_if(answers, [](const Answer& answer) { return answer.error; }));
}

}  // namespace gnomon::protocol
