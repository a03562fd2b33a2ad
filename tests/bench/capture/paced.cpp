// An open-loop client whose own delays are not in what it measures, as if it were on another machine.
//   capture-paced PORT CONNECTIONS RATE SECONDS   requests a second, at random times (Poisson), each on an idle
//   connection
//
// A response's time runs from the call that sends the request to the kernel's taking up the response's packet
// (SO_TIMESTAMPNS, socket(7)): when this program gets to read it does not matter. It sends at real-time priority, so
// that the agent, with which it shares a processor, does not make it send in bursts. Prints one JSON object. Its p99 is
// the median of those of each tenth of a second: a virtual machine that is stopped for some milliseconds, which a p99
// of the whole run would tell of, is in few of these.

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "common/unique_fd.h"

namespace gnomon {
namespace {

constexpr std::string_view kRequest = "GET /item?id=42 HTTP/1.1\r\nHost: b\r\n\r\n";
constexpr std::size_t kLargestResponse = 4096;

void require(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::exit(1);
}

std::int64_t ns(const timespec& time) {
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::int64_t now_ns(clockid_t clock) {
  timespec time{};
  ::clock_gettime(clock, &time);
  return ns(time);
}

struct Connection {
  UniqueFd fd;
  std::int64_t sent_ns = 0;  // CLOCK_REALTIME, as the kernel's timestamps
};

Connection connect_to(std::uint16_t port) {
  Connection connection{.fd = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const int fd = connection.fd.get(), on = 1;
  require(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0, "connect");
  require(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0, "TCP_NODELAY");
  require(::setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) == 0, "SO_TIMESTAMPNS");
  return connection;
}

// Takes one response, which comes in one piece. Returns when its packet was taken up; nullopt if the kernel did not
// say, as for a while after it was first asked to.
std::optional<std::int64_t> receive(int fd) {
  std::array<char, kLargestResponse> body;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(timespec))> control;
  iovec piece{.iov_base = body.data(), .iov_len = body.size()};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  require(::recvmsg(fd, &message, MSG_DONTWAIT) > 0, "recvmsg");
  const cmsghdr* stamp = CMSG_FIRSTHDR(&message);
  if (!stamp || stamp->cmsg_type != SCM_TIMESTAMPNS) return std::nullopt;
  timespec time{};
  std::copy_n(CMSG_DATA(stamp), sizeof(time), reinterpret_cast<unsigned char*>(&time));
  return ns(time);
}

class PacedClient {
 public:
  PacedClient(std::uint16_t port, std::size_t connections) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (std::size_t i = 0; i < connections; ++i) {
      connections_.push_back(connect_to(port));
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      require(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, connections_[i].fd.get(), &event) == 0, "epoll_ctl");
      idle_.push_back(i);
    }
  }

  // Response times in ns, of the requests whose response the kernel gave a time. One that finds no idle connection
  // waits for one, which is not in its time, but counted.
  std::vector<std::int64_t> run(double rate, std::uint64_t requests) {
    std::mt19937_64 random(1);
    std::exponential_distribution<double> gap(rate / 1e9);
    std::vector<std::int64_t> times;
    times.reserve(requests);
    double due = static_cast<double>(now_ns(CLOCK_MONOTONIC));
    for (std::uint64_t sent = 0; answered_ < requests;) {
      const auto now = static_cast<double>(now_ns(CLOCK_MONOTONIC));
      if (sent == requests || idle_.empty() || now < due) {
        const bool only_answers = sent == requests || idle_.empty();
        take_answers(only_answers ? 1'000'000'000 : static_cast<std::int64_t>(due - now), times);
        if (only_answers && sent<requests&& static_cast<double>(now_ns(CLOCK_MONOTONIC))> due) ++waited_;
        continue;
      }
      send_one();
      ++sent;
      due += gap(random);
    }
    return times;
  }

  std::uint64_t waited() const { return waited_; }

 private:
  void send_one() {
    Connection& connection = connections_[idle_.back()];
    idle_.pop_back();
    connection.sent_ns = now_ns(CLOCK_REALTIME);
    require(::send(connection.fd.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(kRequest.size()),
            "send");
  }

  void take_answers(std::int64_t most_ns, std::vector<std::int64_t>& times) {
    std::array<epoll_event, 64> events;
    const timespec wait{.tv_sec = most_ns / 1'000'000'000, .tv_nsec = most_ns % 1'000'000'000};
    const int ready = ::epoll_pwait2(epoll_.get(), events.data(), events.size(), &wait, nullptr);
    for (int i = 0; i < ready; ++i) {
      const std::size_t which = events[static_cast<std::size_t>(i)].data.u64;
      if (const auto at = receive(connections_[which].fd.get())) times.push_back(*at - connections_[which].sent_ns);
      ++answered_;
      idle_.push_back(which);
    }
  }

  UniqueFd epoll_;
  std::vector<Connection> connections_;
  std::vector<std::size_t> idle_;
  std::uint64_t answered_ = 0, waited_ = 0;
};

double quantile_us(const std::vector<std::int64_t>& sorted, double q) {
  return static_cast<double>(sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))]) / 1e3;
}

// Of the windows of `size` values each that `times` consists of, in their order: the median of their p99s.
double typical_p99_us(const std::vector<std::int64_t>& times, std::size_t size) {
  std::vector<std::int64_t> p99s;
  for (std::size_t begin = 0; begin + size <= times.size(); begin += size) {
    std::vector<std::int64_t> window(times.begin() + static_cast<std::ptrdiff_t>(begin),
                                     times.begin() + static_cast<std::ptrdiff_t>(begin + size));
    const auto p99 = window.begin() + static_cast<std::ptrdiff_t>(size * 99 / 100);
    std::nth_element(window.begin(), p99, window.end());
    p99s.push_back(*p99);
  }
  std::sort(p99s.begin(), p99s.end());
  return quantile_us(p99s, 0.5);
}

}  // namespace
}  // namespace gnomon

int main(int argc, char** argv) {
  if (argc != 5) {
    fmt::print(stderr, "usage: capture-paced PORT CONNECTIONS RATE SECONDS\n");
    return 2;
  }
  const double rate = std::stod(argv[3]), seconds = std::stod(argv[4]);
  gnomon::PacedClient client(static_cast<std::uint16_t>(std::stoul(argv[1])), std::stoul(argv[2]));
  const sched_param priority{.sched_priority = 1};
  const bool real_time = ::sched_setscheduler(0, SCHED_FIFO, &priority) == 0;
  std::vector<std::int64_t> times = client.run(rate, static_cast<std::uint64_t>(rate * seconds));
  const auto window = static_cast<std::size_t>(std::max(100.0, rate / 10));
  if (times.size() < window) {
    fmt::print(stderr, "capture-paced: {} timestamps; at least {} are needed\n", times.size(), window);
    return 1;
  }
  const double p99_us = gnomon::typical_p99_us(times, window);
  std::sort(times.begin(), times.end());
  fmt::print(
      R"({{"requests":{},"p50_us":{:.1f},"p90_us":{:.1f},"p99_us":{:.1f},"p99_whole_us":{:.1f},"waited":{},"real_time":{}}})"
      "\n",
      times.size(), gnomon::quantile_us(times, 0.5), gnomon::quantile_us(times, 0.9), p99_us,
      gnomon::quantile_us(times, 0.99), client.waited(), real_time);
  return 0;
}
