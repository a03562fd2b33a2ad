// What the probe costs the service it watches: CPU time added to a round trip over loopback.
//
// One thread plays client and service in turn, so that all work of a round trip, the kernel's included, is in that
// thread's CPU time and no scheduling is. Each condition is compared with the same run without the probe, in pairs
// whose order alternates; the reader of the ring is another thread. Prints one JSON object on standard output, progress
// on standard error.

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "agent/probe/probe.h"
#include "common/unique_fd.h"

namespace gnomon {
namespace {

constexpr int kPairs = 15;
constexpr int kRoundTrips = 30'000;
constexpr std::size_t kRequestBytes = 41;
constexpr std::size_t kReplyBytes = 150;

[[noreturn]] void fail(const std::string& what) {
  fmt::print(stderr, "bench-tap: {}\n", what);
  std::exit(1);
}

void require(bool ok, const char* what) {
  if (!ok) fail(what);
}

struct Condition {
  const char* name;
  bool watched;
  double fraction;
};
constexpr std::array<Condition, 3> kConditions = {{
    {"unwatched", false, 0},
    {"sampled_0_percent", true, 0},
    {"sampled_100_percent", true, 1},
}};

UniqueFd listen_on_loopback(sockaddr_in* address) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(*address);
  require(::bind(fd.get(), reinterpret_cast<sockaddr*>(address), size) == 0, "cannot bind");
  require(::listen(fd.get(), 8) == 0, "cannot listen");
  require(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(address), &size) == 0, "no address");
  return fd;
}

double thread_cpu_us() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  const auto us = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

void transfer(int from, int to, std::span<char> message) {
  require(::send(from, message.data(), message.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(message.size()),
          "send failed");
  require(::recv(to, message.data(), message.size(), MSG_WAITALL) == static_cast<ssize_t>(message.size()),
          "recv failed");
}

// CPU time of one round trip on a new connection to `listener`, in microseconds.
double round_trip_us(int listener, const sockaddr_in& address) {
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  require(::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0, "cannot connect");
  const UniqueFd service(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  const int on = 1;
  ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(service.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  std::array<char, kRequestBytes> request{};
  std::array<char, kReplyBytes> reply{};
  double begin = 0;
  for (int i = -kRoundTrips / 10; i < kRoundTrips; ++i) {  // the first tenth warms up
    if (i == 0) begin = thread_cpu_us();
    transfer(client.get(), service.get(), request);
    transfer(service.get(), client.get(), reply);
  }
  return (thread_cpu_us() - begin) / kRoundTrips;
}

struct Observed {
  double us = 0;
  std::uint64_t records = 0, lost = 0;
};

Observed with_probe(const Condition& condition) {
  absl::StatusOr<std::unique_ptr<probe::Probe>> probe = probe::Probe::load({});
  if (!probe.ok()) fail(std::string(probe.status().message()));
  const probe::Slot slot = (*probe)->take_slot().value();
  sockaddr_in address{};
  const UniqueFd listener = listen_on_loopback(&address);
  if (condition.watched) {
    require((*probe)->watch_listener(listener.get(), slot).ok(), "cannot watch");
    require((*probe)->set_sampled_fraction(slot, Fraction{condition.fraction}).ok(), "cannot sample");
  }
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done)
      (void)(*probe)->poll([](const tap_record&, std::span<const std::byte>) {}, std::chrono::milliseconds(20));
  });
  Observed observed;
  observed.us = round_trip_us(listener.get(), address);
  done = true;
  reader.join();
  const probe::Reading reading = (*probe)->read(slot).value();
  observed.records = reading.counter[PROBE_RECORDS];
  observed.lost = reading.counter[PROBE_RING_FULL];
  return observed;
}

double without_probe() {
  sockaddr_in address{};
  const UniqueFd listener = listen_on_loopback(&address);
  return round_trip_us(listener.get(), address);
}

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}

std::string measure(const Condition& condition, std::vector<double>& baseline) {
  std::vector<double> added;
  std::uint64_t records = 0, lost = 0;
  for (int pair = 0; pair < kPairs; ++pair) {
    double plain = 0;
    if (pair % 2 == 0) plain = without_probe();
    const Observed observed = with_probe(condition);
    if (pair % 2 != 0) plain = without_probe();
    baseline.push_back(plain);
    added.push_back(observed.us - plain);
    records += observed.records;
    lost += observed.lost;
    fmt::print(stderr, "bench-tap: {} {}/{}: {:.2f} us, {:+.2f}\n", condition.name, pair + 1, kPairs, plain,
               added.back());
  }
  return fmt::format(
      R"("{}":{{"added_us":{:.3f},"added_us_p25":{:.3f},"added_us_p75":{:.3f},"records":{},"lost_records":{}}})",
      condition.name, quantile(added, 0.5), quantile(added, 0.25), quantile(added, 0.75), records, lost);
}

}  // namespace
}  // namespace gnomon

int main() {
  using namespace gnomon;
  std::vector<double> baseline;
  std::string results;
  for (const Condition& condition : kConditions) results += measure(condition, baseline) + ",";
  utsname system{};
  ::uname(&system);
  fmt::print(R"({{"benchmark":"tap",{}"round_trip_us":{:.3f},"pairs":{},"round_trips":{},"kernel":"{}","cpus":{}}})"
             "\n",
             results, quantile(baseline, 0.5), kPairs, kRoundTrips, system.release,
             std::thread::hardware_concurrency());
  return 0;
}
