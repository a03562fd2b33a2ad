// The agent's capture and replay without its control plane, as a process whose CPU time and memory are those of the job
// alone: watches the service on a port until standard input ends, then says in one JSON line what it saw and cost.

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>
#include <CLI/CLI.hpp>

#include <atomic>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "agent/discovery/instance.h"
#include "agent/probe/probe.h"
#include "agent/probe/thinning.h"
#include "agent/session/capture.h"
#include "agent/session/load.h"
#include "common/scheduling.h"

namespace gnomon {
namespace {

using namespace std::chrono_literals;

struct Settings {
  std::uint16_t port = 0, replay_port = 0;
  double fraction = 1;
  std::uint64_t responses = 0;  // bytes of each that are captured
  std::uint64_t ring = 16u << 20;
  bool framing = true;
  int pause_ms = 0;  // of the reader between polls: provokes an overload
};

template <class Value>
Value must(absl::StatusOr<Value> value) {
  if (value.ok()) return *std::move(value);
  fmt::print(stderr, "capture-agent: {}\n", std::string(value.status().message()));
  std::exit(1);
}

void must(const absl::Status& status) {
  if (status.ok()) return;
  fmt::print(stderr, "capture-agent: {}\n", std::string(status.message()));
  std::exit(1);
}

double cpu_us() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto us = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

// In KiB: "VmRSS", "RssAnon", …
long memory_kib(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(field + ":")) return std::stol(line.substr(field.size() + 1));
  return 0;
}

std::unique_ptr<session::Load> start_load(const Settings& settings) {
  if (settings.replay_port == 0) return nullptr;
  const UniqueFd netns(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  replay::Target target{.address = "127.0.0.1", .port = settings.replay_port};
  target.client.kept_body_bytes = settings.responses;
  auto load = must(session::Load::start(netns.get(), target, {}, 1));
  load->set_phase({.multiplicity = 1});
  return load;
}

nlohmann::json replayed(session::Load& load) {
  // Longer than a request may take until it counts as timed out.
  for (int i = 0; i < 1000 && load.outstanding() > 0; ++i) std::this_thread::sleep_for(10ms);
  telemetry::ReplayCounters sum;
  for (const replay::Reading& reading : load.take()) sum += reading.counters;
  return {{"answered", sum.answered}, {"copies", sum.copies},       {"offered", sum.offered},
          {"shed", sum.shed},         {"timed_out", sum.timed_out}, {"reset", sum.reset + sum.refused},
          {"late", sum.late}};
}

// Responses of which something was said, and those that were found to be the same.
nlohmann::json compared(const session::Capture& capture) {
  std::uint64_t all = 0, same = 0;
  for (const compare::Counts& counts : capture.responses()) {
    same += counts.of(compare::Outcome::kSame);
    for (const std::uint64_t count : counts.count) all += count;
  }
  return {{"told", all}, {"same", same}};
}

// As a session does.
void thin_until_input_ends(probe::Probe& probe, probe::Slot slot) {
  pollfd input{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  std::uint64_t last = 0;
  for (unsigned thinning = 0; ::poll(&input, 1, 1'000) == 0;) {
    const std::uint64_t requests = must(probe.read(slot)).counter[PROBE_REQUESTS];
    thinning = probe::thinning_for(static_cast<double>(requests - last), thinning);
    must(probe.set_thinning(slot, thinning));
    last = requests;
  }
}

int run(const Settings& settings) {
  auto probe = must(probe::Probe::load({.ring = Bytes{settings.ring}}));
  const probe::Slot slot = must(probe->take_slot());
  if (settings.responses > 0) must(probe->set_responses(slot, Bytes{settings.responses}));
  const discovery::Instance instance = must(discovery::find_instance("/proc", "/sys/fs/cgroup", settings.port, {}));
  must(probe->set_sampled_fraction(slot, Fraction{settings.fraction}));
  for (const discovery::ListenSocket& listener : instance.listeners) {
    const UniqueFd fd = must(discovery::borrow_socket({listener.pid, listener.fd, listener.inode}));
    must(probe->watch_listener(fd.get(), slot));
  }
  const std::unique_ptr<session::Load> load = start_load(settings);
  session::CapturePolicy policy;
  if (settings.responses > 0) policy.comparison = compare::Settings{.body = true, .bytes = settings.responses};
  session::Capture capture(
      policy,
      [&](std::vector<protocol::Request> requests) {
        if (load) load->offer(std::move(requests));
      },
      [&](std::uint64_t conn_id) {
        if (load) load->end_connection(conn_id);
      });

  std::atomic<bool> done = false;
  std::uint64_t delivered = 0;
  std::thread reader([&] {
    wait_for_turn();  // as the agent's does
    const auto sink = [&](const tap_record& header, std::span<const std::byte> payload) {
      if (header.type == TAP_DATA) delivered += payload.size();
      if (settings.framing) capture.record(header, payload);
    };
    while (!done) {
      must(probe->poll(sink, 5ms).status());
      if (settings.pause_ms > 0) std::this_thread::sleep_for(settings.pause_ms * 1ms);
    }
    must(probe->poll(sink, 0ms).status());
  });

  const double begin = cpu_us();
  fmt::print("ready\n");
  std::fflush(stdout);
  thin_until_input_ends(*probe, slot);
  std::this_thread::sleep_for(200ms + 2 * settings.pause_ms * 1ms);  // what is in the ring still counts
  done = true;
  reader.join();

  nlohmann::json result;
  if (load) result["replay"] = replayed(*load);
  if (settings.responses > 0) result["compared"] = compared(capture);
  result["cpu_us"] = cpu_us() - begin;
  result["rss_mib"] = static_cast<double>(memory_kib("VmRSS")) / 1024;
  result["anonymous_mib"] = static_cast<double>(memory_kib("RssAnon")) / 1024;
  result["requests"] = capture.counters().requests;
  result["delivered_bytes"] = delivered;
  const probe::Reading reading = must(probe->read(slot));
  result["seen_bytes"] = reading.counter[PROBE_BYTES];
  result["sampled_connections"] = reading.counter[PROBE_SAMPLED];
  result["lost_records"] = reading.counter[PROBE_RING_FULL];
  result["lost_bytes"] =
      reading.counter[PROBE_RING_FULL_BYTES] + reading.counter[PROBE_UNREADABLE] + reading.counter[PROBE_SKIPPED_BYTES];
  fmt::print("{}\n", result.dump());
  return 0;
}

}  // namespace
}  // namespace gnomon

int main(int argc, char** argv) {
  gnomon::Settings settings;
  CLI::App app("Captures from the service on a port, and replays to another, until standard input ends.");
  app.add_option("--port", settings.port)->required();
  app.add_option("--replay-port", settings.replay_port);
  app.add_option("--fraction", settings.fraction);
  app.add_option("--responses", settings.responses, "bytes of each");
  app.add_option("--ring", settings.ring, "bytes");
  app.add_option("--pause-ms", settings.pause_ms);
  app.add_flag("!--no-framing", settings.framing);
  CLI11_PARSE(app, argc, argv);
  return gnomon::run(settings);
}
