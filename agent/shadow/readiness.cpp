#include "agent/shadow/readiness.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string_view>

#include "common/status.h"
#include "common/unique_fd.h"
#include "common/wait.h"
#include "fmt/format.h"

namespace gnomon::shadow {
namespace {

using namespace std::string_literals;

constexpr int kLookAgainMs = 2;
constexpr std::size_t kLongestAnswer = 512;

absl::StatusOr<UniqueFd> connect_to(const std::string& address, std::uint16_t port, const Patience& patience) {
  const bool v6 = address.find(':') != std::string::npos;
  sockaddr_storage storage{};
  if (v6) {
    auto* to = reinterpret_cast<sockaddr_in6*>(&storage);
    to->sin6_family = AF_INET6;
    to->sin6_port = htons(port);
    if (::inet_pton(AF_INET6, address.c_str(), &to->sin6_addr) != 1) return absl::InternalError(address);
  } else {
    auto* to = reinterpret_cast<sockaddr_in*>(&storage);
    to->sin_family = AF_INET;
    to->sin_port = htons(port);
    if (::inet_pton(AF_INET, address.c_str(), &to->sin_addr) != 1) return absl::InternalError(address);
  }
  UniqueFd socket(::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return errno_status("socket");
  const std::string what = fmt::format("connecting to the shadow at {} port {}", address, port);
  const socklen_t length = v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&storage), length) == 0) return socket;
  if (errno != EINPROGRESS) return errno_status(what);
  if (!wait_for(socket.get(), POLLOUT, patience.deadline, patience.stop)) return absl::DeadlineExceededError(what);
  int error = 0;
  socklen_t size = sizeof error;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) return errno_status(error, what);
  return socket;
}

struct Answer {
  std::string bytes;
  bool ended = false;  // by the service
};

// What comes back for `question` until `enough`, the service ends the connection, or patience ends.
absl::StatusOr<Answer> ask(int socket, std::string_view question, const Patience& patience,
                           bool (*enough)(std::string_view)) {
  if (::send(socket, question.data(), question.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(question.size()))
    return errno_status("asking the shadow");
  Answer answer;
  char buffer[kLongestAnswer];
  while (answer.bytes.size() < kLongestAnswer && !enough(answer.bytes) &&
         wait_for(socket, POLLIN, patience.deadline, patience.stop)) {
    const ssize_t length = ::recv(socket, buffer, sizeof buffer, 0);
    answer.ended = length <= 0;
    if (answer.ended) break;
    answer.bytes.append(buffer, static_cast<std::size_t>(length));
  }
  return answer;
}

bool has_line(std::string_view answer) {
  return answer.find('\n') != std::string_view::npos;
}

bool has_anything(std::string_view answer) {
  return !answer.empty();
}

std::string first_line(const std::string& text) {
  return text.substr(0, std::min({text.find('\r'), text.find('\n'), kLongestAnswer}));
}

// "E", the length of what follows with itself, and fields: each a letter and a text that ends with a zero.
bool has_message(std::string_view answer) {
  if (answer.empty() || answer[0] != 'E') return !answer.empty();
  if (answer.size() < 5) return false;
  std::uint32_t length = 0;
  std::memcpy(&length, answer.data() + 1, sizeof length);
  return answer.size() > ntohl(length);
}

bool is_starting(std::string_view error) {  // cannot_connect_now
  using namespace std::string_view_literals;
  return error.starts_with('E') && error.find("\0C57P03\0"sv) != std::string_view::npos;
}

bool is_loading(std::string_view reply) {
  return reply.starts_with("-LOADING");
}

bool is_never_refused(std::string_view) {
  return false;
}

// What a client of the protocol may say first, and what comes back from a service that is not up yet.
struct Greeting {
  std::string_view protocol;
  std::string text;
  bool (*enough)(std::string_view answer);
  bool (*not_yet)(std::string_view answer);
};

const std::array<Greeting, 5>& greetings() {
  // A startup message of PostgreSQL's protocol 3.0, of a user that need not exist: whether the server is up is said
  // first.
  static const std::array<Greeting, 5> kGreetings = {
      Greeting{"postgres", "\0\0\0\x17\0\3\0\0user\0postgres\0\0"s, has_message, is_starting},
      Greeting{"redis", "PING\r\n", has_line, is_loading},
      Greeting{"memcached", "version\r\n", has_line, is_never_refused},
      Greeting{"http1", "OPTIONS / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: gnomon\r\nConnection: close\r\n\r\n",
               has_line, is_never_refused},
      // The preface and settings that change nothing (RFC 9113, 3.4): the server's settings come back.
      Greeting{"http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"s, has_anything, is_never_refused}};
  return kGreetings;
}

const Greeting* find_greeting(std::string_view protocol) {
  const auto found = std::ranges::find(greetings(), protocol, &Greeting::protocol);
  return found == greetings().end() ? nullptr : &*found;
}

// Of an answer that is not text as well.
std::string printable(const std::string& answer) {
  std::string text;
  for (const char c : answer.substr(0, 120)) text += c >= ' ' && c <= '~' ? c : ' ';
  return text;
}

}  // namespace

std::uint64_t connections_waiting(const std::string& net, std::uint16_t port) {
  std::uint64_t waiting = 0;
  for (const char* table : {"/tcp", "/tcp6"}) {
    std::ifstream lines(net + table);
    // "0: 0100007F:1F90 00000000:0000 0A 00000000:00000003": of a listener the last number is what waits.
    for (std::string line; std::getline(lines, line);) {
      unsigned local = 0, state = 0, queued = 0;
      if (std::sscanf(line.c_str(), " %*d: %*[0-9A-F]:%X %*[0-9A-F]:%*X %X %*X:%X", &local, &state, &queued) == 3 &&
          local == port && state == TCP_LISTEN)
        waiting += queued;
    }
  }
  return waiting;
}

absl::Status accepts_connection(const std::string& address, std::uint16_t port, const std::string& net,
                                const Patience& patience) {
  ASSIGN_OR_RETURN(const UniqueFd socket, connect_to(address, port, patience));
  while (connections_waiting(net, port) > 0) {
    pollfd stop{.fd = patience.stop, .events = POLLIN, .revents = 0};
    if (::poll(&stop, 1, kLookAgainMs) > 0 || std::chrono::steady_clock::now() >= patience.deadline)
      return absl::DeadlineExceededError(fmt::format("port {} is open, but the service takes no connection", port));
  }
  return absl::OkStatus();
}

absl::Status answers_http(const std::string& address, std::uint16_t port, const std::string& path,
                          const Patience& patience) {
  ASSIGN_OR_RETURN(const UniqueFd socket, connect_to(address, port, patience));
  const std::string request =
      fmt::format("GET {} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: gnomon\r\nConnection: close\r\n\r\n", path);
  ASSIGN_OR_RETURN(const Answer answer, ask(socket.get(), request, patience, has_line));
  const std::string line = first_line(answer.bytes);
  // "HTTP/1.1 204 …"
  if (line.starts_with("HTTP/1.") && line.size() >= 12 && (line[9] == '2' || line[9] == '3')) return absl::OkStatus();
  return absl::UnavailableError(line.empty() ? fmt::format("GET {} got no answer", path)
                                             : fmt::format("GET {} was answered with \"{}\"", path, line));
}

bool has_greeting(std::string_view protocol) {
  return find_greeting(protocol) != nullptr;
}

std::string_view protocol_of_program(std::string_view program) {
  if (program == "postgres") return "postgres";
  return program == "redis-server" || program == "valkey-server" ? "redis" : "";
}

absl::Status answers_greeting(const std::string& address, std::uint16_t port, std::string_view protocol,
                              const Patience& patience) {
  const Greeting& greeting = *find_greeting(protocol);
  ASSIGN_OR_RETURN(const UniqueFd socket, connect_to(address, port, patience));
  ASSIGN_OR_RETURN(const Answer answer, ask(socket.get(), greeting.text, patience, greeting.enough));
  if (answer.bytes.empty() && !answer.ended)
    return absl::DeadlineExceededError(fmt::format("it takes a connection, but does not answer in {}", protocol));
  if (greeting.not_yet(answer.bytes))
    return absl::UnavailableError(fmt::format("it answers \"{}\"", printable(answer.bytes)));
  return absl::OkStatus();
}

}  // namespace gnomon::shadow
