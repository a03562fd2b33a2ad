// What the replayer costs: CPU time of its thread per replayed request, against a trivial server on loopback.
//
// The kernel's part of sending over loopback is in it, the server's receive path included; "floor" is what bare
// blocking send() and recv() of the same bytes cost at the same time on the same machine. Prints one JSON object on
// standard output, progress on standard error.

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/protocol/http1/http1.h"
#include "agent/replay/loop.h"
#include "agent/replay/replayer.h"
#include "common/unique_fd.h"

namespace gnomon {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kConnections = 50;
constexpr auto kSpan = std::chrono::seconds(4);
constexpr std::array kRates = {1000, 5000, 10000};  // requests a second
constexpr std::string_view kResponse = "HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Length: 5\r\n\r\nhello";
constexpr std::string_view kRequest =
    "GET /item?id=42 HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\nAccept: */*\r\n\r\n";

void require(bool ok, const char* what) {
  if (ok) return;
  std::perror(what);
  std::exit(1);
}

// Answers every request, taking each read for one: what is sent here fits one segment and is never pipelined.
class Server {
 public:
  Server()
      : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        stop_(::eventfd(0, EFD_CLOEXEC)),
        epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    auto* any = reinterpret_cast<sockaddr*>(&address);
    require(::bind(listener_.get(), any, size) == 0 && ::listen(listener_.get(), 512) == 0, "listen");
    require(::getsockname(listener_.get(), any, &size) == 0, "getsockname");
    port_ = ntohs(address.sin_port);
    watch(listener_.get());
    watch(stop_.get());
    thread_ = std::thread([this] { run(); });
  }
  ~Server() {
    const std::uint64_t one = 1;
    require(::write(stop_.get(), &one, sizeof(one)) == sizeof(one), "eventfd");
    thread_.join();
  }
  std::uint16_t port() const { return port_; }

 private:
  void watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    require(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
  }
  void run() {
    std::vector<UniqueFd> peers;
    std::array<epoll_event, 64> events{};
    std::array<char, 4096> buffer{};
    while (true) {
      const int ready = ::epoll_wait(epoll_.get(), events.data(), events.size(), -1);
      for (int i = 0; i < ready; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == stop_.get()) return;
        if (fd == listener_.get()) {
          peers.emplace_back(::accept4(fd, nullptr, nullptr, SOCK_CLOEXEC));
          watch(peers.back().get());
        } else if (::recv(fd, buffer.data(), buffer.size(), 0) > 0) {
          ::send(fd, kResponse.data(), kResponse.size(), MSG_NOSIGNAL);
        } else {
          ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
        }
      }
    }
  }

  UniqueFd listener_, stop_, epoll_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

Nanos thread_cpu() {
  rusage usage{};
  require(::getrusage(RUSAGE_THREAD, &usage) == 0, "getrusage");
  const auto of = [](const timeval& t) {
    return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
  };
  return of(usage.ru_utime) + of(usage.ru_stime);
}

// CPU per request of nothing but system calls, one request at a time.
double floor_us(std::uint16_t port) {
  constexpr int kRequests = 20000;
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  require(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0, "connect");
  std::array<char, 4096> buffer{};
  const Nanos before = thread_cpu();
  for (int i = 0; i < kRequests; ++i) {
    require(::send(fd.get(), kRequest.data(), kRequest.size(), 0) > 0, "send");
    require(::recv(fd.get(), buffer.data(), buffer.size(), 0) > 0, "recv");
  }
  return static_cast<double>((thread_cpu() - before).count()) / 1e3 / kRequests;
}

struct Result {
  replay::Reading reading;
  Nanos cpu{0};
};

// Offers requests evenly at `rate` for kSpan, as many a millisecond as are due, and waits for the last answer.
Result measure(std::uint16_t port, int rate) {
  replay::Loop loop;
  replay::Replayer replayer(loop, {"127.0.0.1", port}, {.lag = std::chrono::milliseconds(5)}, 1);
  const auto bytes = std::make_shared<const std::string>(kRequest);
  const auto total = static_cast<std::uint64_t>(rate) * kSpan.count();
  const Nanos gap = std::chrono::nanoseconds(std::chrono::seconds(1)) / rate;
  const Nanos cpu_before = thread_cpu();
  const auto begin = Clock::now();
  std::uint64_t offered = 0;
  while (offered < total || replayer.in_flight() + replayer.scheduled() > 0) {
    const auto now = Clock::now();
    for (; offered < total && begin + gap * offered <= now; ++offered)
      replayer.offer({.conn_id = offered % kConnections,
                      .arrival = begin + gap * offered,
                      .protocol = &protocol::http1(),
                      .bytes = bytes});
    for (const auto end = now + std::chrono::milliseconds(1); Clock::now() < end;) loop.run_once(end - Clock::now());
  }
  Result result{.reading = {}, .cpu = thread_cpu() - cpu_before};
  for (auto& reading : replayer.take()) result.reading = std::move(reading);
  return result;
}

int run() {
  Server server;
  const double floor = floor_us(server.port());
  fmt::print(stderr, "floor: {:.1f} us CPU a request\n", floor);
  std::string rows;
  for (int rate : kRates) {
    const Result result = measure(server.port(), rate);
    const auto& counters = result.reading.counters;
    require(counters.answered > 0, "no request was answered");
    const double us = static_cast<double>(result.cpu.count()) / 1e3 / static_cast<double>(counters.answered);
    const auto quantile_us = [&](double q) {
      return static_cast<double>(result.reading.response_time.quantile(q)->count()) / 1e3;
    };
    fmt::print(stderr, "{} requests/s: {:.1f} us CPU a request, {} late of {}\n", rate, us, counters.late,
               counters.copies);
    rows += fmt::format(
        R"({}{{"rate":{},"requests":{},"answered":{},"errors":{},"late":{},"cpu_us_per_request":{:.2f},"response_p50_us":{:.0f},"response_p99_us":{:.0f}}})",
        rows.empty() ? "" : ",", rate, counters.copies, counters.answered, result.reading.errors, counters.late, us,
        quantile_us(0.5), quantile_us(0.99));
  }
  fmt::print(R"({{"benchmark":"replay","connections":{},"floor_us_per_request":{:.2f},"rates":[{}]}})"
             "\n",
             kConnections, floor, rows);
  return 0;
}

}  // namespace
}  // namespace gnomon

int main() {
  return gnomon::run();
}
