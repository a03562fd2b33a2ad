#include "agent/session/tls.h"

#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <thread>

#include "agent/discovery/instance.h"
#include "agent/replay/tls_client.h"
#include "common/status.h"
#include "common/unique_fd.h"
#include "common/wait.h"

namespace gnomon::session {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;

// How long the shadow may think before it is told that no more will come, which makes a service that waits for the end
// of a message give up, and how long after that. It may just be starting, on little CPU.
constexpr auto kPatience = 1000ms, kLastPatience = 2000ms;
// A service that reads lines answers at once when it has one; one that speaks TLS answers to the hello before it.
constexpr char kEndOfLine[] = "\r\n";

bool wait_for(int fd, short events, std::chrono::milliseconds timeout, int stop) {
  return gnomon::wait_for(fd, events, std::chrono::steady_clock::now() + timeout, stop);
}

bool is_stopped(int stop) {
  pollfd polled{.fd = stop, .events = POLLIN, .revents = 0};
  return ::poll(&polled, 1, 0) > 0;
}

// The first bytes that come back for `hello`; fewer if the service closes or says nothing, or it is stopped.
absl::StatusOr<std::string> answer_to(const std::string& hello, const tcp::endpoint& service, int stop) {
  const UniqueFd fd(::socket(service.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(fd.get(), service.data(), static_cast<socklen_t>(service.size())) != 0 && errno != EINPROGRESS)
    return errno_status("tls: the shadow's port cannot be reached");
  if (!wait_for(fd.get(), POLLOUT, kPatience, stop) ||
      ::send(fd.get(), hello.data(), hello.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(hello.size()))
    return absl::UnavailableError("tls: the shadow takes no connection");
  if (!wait_for(fd.get(), POLLIN, kPatience, stop)) {
    ::shutdown(fd.get(), SHUT_WR);
    wait_for(fd.get(), POLLIN, kLastPatience, stop);
  }
  std::array<char, 16> answer{};
  const ssize_t size = ::recv(fd.get(), answer.data(), answer.size(), 0);
  return std::string(answer.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
}

absl::StatusOr<bool> answers_in_tls(int netns, const replay::Target& shadow, int stop) {
  boost::system::error_code error;
  const tcp::endpoint service(boost::asio::ip::make_address(shadow.address, error), shadow.port);
  if (error) return absl::InternalError("tls: the shadow has no address");
  absl::StatusOr<std::string> answer;
  std::thread([&] {  // of its own: it stays in that namespace
    if (::setns(netns, CLONE_NEWNET) != 0)
      answer = errno_status("tls: cannot enter the shadow's network namespace");
    else
      answer = answer_to(replay::TlsDialer().hello() + kEndOfLine, service, stop);
  })
      .join();
  if (is_stopped(stop)) return absl::CancelledError("tls: the session was ended");
  RETURN_IF_ERROR(answer.status());
  return replay::is_tls_answer(*answer);
}

}  // namespace

absl::StatusOr<Tls> find_tls(const std::string& proc, pid_t root, int netns, const replay::Target& shadow, int stop) {
  auto libraries = tls::find_libraries(proc, discovery::process_tree(proc, root));
  if (absl::IsNotFound(libraries.status())) return Tls{};
  ASSIGN_OR_RETURN(const bool spoken, answers_in_tls(netns, shadow, stop));
  if (!spoken) return Tls{};
  RETURN_IF_ERROR(libraries.status());
  return Tls{.spoken = true, .libraries = *std::move(libraries)};
}

}  // namespace gnomon::session
