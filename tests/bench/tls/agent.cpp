// The tap on a service that takes TLS, without framing and replay: watches the service on a port until standard input
// ends, then says in one JSON line what it saw.

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <thread>

#include "agent/discovery/instance.h"
#include "agent/probe/probe.h"
#include "agent/tls/library.h"
#include "bpf/abi/response.h"

namespace gnomon {
namespace {

using namespace std::chrono_literals;

template <class Value>
Value must(absl::StatusOr<Value> value) {
  if (value.ok()) return *std::move(value);
  fmt::print(stderr, "tls-agent: {}\n", std::string(value.status().message()));
  std::exit(1);
}

void must(const absl::Status& status) {
  must(status.ok() ? absl::StatusOr<int>(0) : absl::StatusOr<int>(status));
}

int run(std::uint16_t port, double fraction, std::uint64_t responses) {
  auto probe = must(probe::Probe::load({}));
  const probe::Slot slot = must(probe->take_slot());
  const discovery::Instance instance = must(discovery::find_instance("/proc", "/sys/fs/cgroup", port, {}));
  must(probe->set_tls(slot, must(tls::find_libraries("/proc", discovery::process_tree("/proc", instance.pid)))));
  if (responses > 0) must(probe->set_responses(slot, Bytes{responses}));
  must(probe->set_sampled_fraction(slot, Fraction{fraction}));
  for (const discovery::ListenSocket& listener : instance.listeners) {
    const UniqueFd fd = must(discovery::borrow_socket({listener.pid, listener.fd, listener.inode}));
    must(probe->watch_listener(fd.get(), slot));
  }
  std::atomic<bool> done = false;
  std::uint64_t bytes = 0, response_bytes = 0;
  std::thread reader([&] {
    const auto sink = [&](const tap_record& header, std::span<const std::byte> payload) {
      (header.type == TAP_RESPONSE ? response_bytes : bytes) += payload.size();
    };
    while (!done) must(probe->poll(sink, 20ms).status());
    must(probe->poll(sink, 0ms).status());
  });
  fmt::print("ready\n");
  std::fflush(stdout);
  for (char byte = 0; ::read(STDIN_FILENO, &byte, 1) > 0;) continue;
  done = true;
  reader.join();
  const probe::Reading reading = must(probe->read(slot));
  fmt::print(
      "{{\"connections\": {}, \"sampled\": {}, \"bytes\": {}, \"response_bytes\": {}, \"seen\": {}, \"lost_records\": "
      "{}, \"unseen\": {}}}\n",
      reading.counter[PROBE_CONNECTIONS], reading.counter[PROBE_SAMPLED], bytes, response_bytes,
      reading.counter[PROBE_BYTES], reading.counter[PROBE_RING_FULL], reading.counter[PROBE_TLS_UNSEEN]);
  return 0;
}

}  // namespace
}  // namespace gnomon

int main(int argc, char** argv) {
  if (argc == 4)
    return gnomon::run(static_cast<std::uint16_t>(std::atoi(argv[1])), std::atof(argv[2]),
                       static_cast<std::uint64_t>(std::atoll(argv[3])));
  fmt::print(stderr, "usage: tls-agent PORT FRACTION RESPONSE_BYTES\n");
  return 2;
}
