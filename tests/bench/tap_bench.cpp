// What the probe costs the service it watches: CPU time added to a round trip over loopback.
//
// One thread plays client and service in turn, so that all work of a round trip, the kernel's included, is in that
// thread's CPU time and no scheduling is. Each condition is compared with the same run without the probe, within
// rounds whose order rotates; the reader of the ring is another thread. Prints one JSON object on standard output,
// progress on standard error. With --programs, which makes all slower, the time in each of the probe's programs is
// printed there as well. With --hold-empty, does nothing but keep the empty programs attached until standard input
// ends.

#include <bpf/bpf.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "agent/probe/probe.h"
#include "agent/probe/thinning.h"
#include "bpf/empty.skel.h"
#include "common/unique_fd.h"

namespace gnomon {
namespace {

constexpr int kRounds = 21;
constexpr int kRoundTrips = 30'000;
constexpr double kRequestsPerSecond = 80'000;  // about what the round trips come to
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
  bool empty = false;   // programs that do nothing, at the same tracepoints, instead of the probe
  bool tapped = false;  // beside it another service is sampled, so that the tap is attached
};
constexpr std::array<Condition, 5> kConditions = {{
    {"empty_programs", false, 0, true},
    {"unwatched", false, 0},
    {"sampled_0_percent", true, 0},
    {"unsampled_while_tapped", true, 0, false, true},
    {"sampled_100_percent", true, 1},
}};
constexpr std::size_t kEmpty = 0, kUnsampled = 3;

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

// Not getrusage(): that tells of the running thread what it was at the last tick, 4 ms apart.
double thread_cpu_us() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_nsec) / 1e3;
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

// The kernel's own account of the time in the programs of this process's probe, while one stands.
class ProgramTimes {
 public:
  explicit ProgramTimes(bool wanted) : stats_(wanted ? bpf_enable_stats(BPF_STATS_RUN_TIME) : -1) {}

  // "tap_copy 210 ns, lat_send 90 ns": per call, both ends' calls alike.
  std::string describe() const {
    std::string text;
    if (!stats_.valid()) return text;
    for (std::uint32_t id = 0; bpf_prog_get_next_id(id, &id) == 0;) {
      const UniqueFd program(bpf_prog_get_fd_by_id(id));
      bpf_prog_info info{};
      std::uint32_t size = sizeof(info);
      if (!program.valid() || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0) continue;
      const std::string name = info.name;
      if (info.run_cnt < kRoundTrips ||
          !(name.starts_with("tap_") || name.starts_with("lat_") || name.starts_with("empty_")))
        continue;
      text +=
          fmt::format(" {} {:.0f} ns", name, static_cast<double>(info.run_time_ns) / static_cast<double>(info.run_cnt));
    }
    return text;
  }

 private:
  UniqueFd stats_;
};

bool g_programs = false;

struct Observed {
  double us = 0;
  std::uint64_t records = 0, lost = 0;
  std::string programs;
};

// Those of the tracepoints that this kernel has.
class EmptyPrograms {
 public:
  EmptyPrograms() : skeleton_(empty_bpf__open()) {
    require(skeleton_ != nullptr, "cannot open the empty programs");
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, skeleton_->obj) {
      const std::string point = std::string(bpf_program__section_name(program)).substr(sizeof("tp_btf/") - 1);
      const bool there = libbpf_find_vmlinux_btf_id(point.c_str(), BPF_TRACE_RAW_TP) > 0;
      bpf_program__set_autoload(program, there);
    }
    require(empty_bpf__load(skeleton_) == 0 && empty_bpf__attach(skeleton_) == 0, "cannot attach the empty programs");
  }
  ~EmptyPrograms() { empty_bpf__destroy(skeleton_); }

 private:
  empty_bpf* skeleton_;
};

Observed with_empty_programs() {
  const EmptyPrograms programs;
  sockaddr_in address{};
  const UniqueFd listener = listen_on_loopback(&address);
  const ProgramTimes times(g_programs);
  const double us = round_trip_us(listener.get(), address);
  return {.us = us, .programs = times.describe()};
}

Observed with_probe(const Condition& condition) {
  absl::StatusOr<std::unique_ptr<probe::Probe>> probe = probe::Probe::load({});
  if (!probe.ok()) fail(std::string(probe.status().message()));
  const probe::Slot slot = (*probe)->take_slot().value();
  sockaddr_in address{};
  const UniqueFd listener = listen_on_loopback(&address);
  sockaddr_in elsewhere{};
  const UniqueFd other = listen_on_loopback(&elsewhere);
  if (condition.tapped) {
    const probe::Slot sampled = (*probe)->take_slot().value();
    require((*probe)->watch_listener(other.get(), sampled).ok(), "cannot watch");
    require((*probe)->set_sampled_fraction(sampled, Fraction{1}).ok(), "cannot sample");
  }
  if (condition.watched) {
    require((*probe)->watch_listener(listener.get(), slot).ok(), "cannot watch");
    require((*probe)->set_sampled_fraction(slot, Fraction{condition.fraction}).ok(), "cannot sample");
  }
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done)
      (void)(*probe)->poll([](const tap_record&, std::span<const std::byte>) {}, std::chrono::milliseconds(20));
  });
  // A session that sees as many requests a second measures no more of them than this.
  require((*probe)->set_thinning(slot, probe::thinning_for(kRequestsPerSecond, 0)).ok(), "cannot thin");
  Observed observed;
  const ProgramTimes times(g_programs);
  observed.us = round_trip_us(listener.get(), address);
  observed.programs = times.describe();
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

// Over all rounds, one value each.
struct Series {
  std::vector<double> added;
  std::uint64_t records = 0, lost = 0;
};

using Results = std::array<Series, kConditions.size()>;

// The order rotates, so that no condition always comes first after the one without.
void run_round(int round, std::vector<double>& baseline, Results& results) {
  const double plain = without_probe();
  baseline.push_back(plain);
  fmt::print(stderr, "bench-tap: {}/{}: {:.2f} us", round + 1, kRounds, plain);
  for (std::size_t i = 0; i < kConditions.size(); ++i) {
    const std::size_t which = (i + static_cast<std::size_t>(round)) % kConditions.size();
    const Observed observed = kConditions[which].empty ? with_empty_programs() : with_probe(kConditions[which]);
    results[which].added.push_back(observed.us - plain);
    results[which].records += observed.records;
    results[which].lost += observed.lost;
    fmt::print(stderr, ", {} {:+.2f}{}", kConditions[which].name, observed.us - plain, observed.programs);
  }
  fmt::print(stderr, "\n");
}

std::string describe(const Condition& condition, const Series& series) {
  return fmt::format(
      R"("{}":{{"added_us":{:.3f},"added_us_p25":{:.3f},"added_us_p75":{:.3f},"records":{},"lost_records":{}}})",
      condition.name, quantile(series.added, 0.5), quantile(series.added, 0.25), quantile(series.added, 0.75),
      series.records, series.lost);
}

}  // namespace
}  // namespace gnomon

int main(int n, char** arguments) {
  using namespace gnomon;
  const std::string option = n == 2 ? arguments[1] : "";
  if (option == "--hold-empty") {
    const EmptyPrograms programs;
    fmt::print("attached\n");
    std::fflush(stdout);
    while (std::getchar() != EOF) continue;
    return 0;
  }
  g_programs = option == "--programs";
  if (n > 1 && !g_programs) fail(fmt::format("unknown argument {}; allowed: --programs, --hold-empty", arguments[1]));
  // Of a process with more than one thread each system call on a socket costs more (it takes a reference to the file):
  // the conditions without a reader of the ring are to pay that too.
  const std::jthread second([](const std::stop_token& stop) {
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any().wait(lock, stop, [] { return false; });
  });
  std::vector<double> baseline;
  Results results;
  for (int round = 0; round < kRounds; ++round) run_round(round, baseline, results);
  std::string conditions;
  for (std::size_t i = 0; i < kConditions.size(); ++i) conditions += describe(kConditions[i], results[i]) + ",";
  // Of medians: within a round the empty programs' share is too small against the noise to divide by.
  const double unsampled_vs_empty = quantile(results[kUnsampled].added, 0.5) / quantile(results[kEmpty].added, 0.5);
  utsname system{};
  ::uname(&system);
  fmt::print(
      R"({{"benchmark":"tap",{}"unsampled_vs_empty":{:.3f},"round_trip_us":{:.3f},"rounds":{},"round_trips":{},"kernel":"{}","cpus":{}}})"
      "\n",
      conditions, unsampled_vs_empty, quantile(baseline, 0.5), kRounds, kRoundTrips, system.release,
      std::thread::hardware_concurrency());
  return 0;
}
