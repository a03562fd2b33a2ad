#pragma once
// Owner of the kernel side: loads the probe, marks sockets, reads its ring, counters and histograms.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "agent/probe/capabilities.h"
#include "agent/tls/library.h"
#include "bpf/abi/probe.h"
#include "bpf/abi/response.h"
#include "common/units.h"
#include "telemetry/histogram.h"

namespace gnomon::probe {

using Slot = std::uint32_t;  // below PROBE_SLOTS

struct Options {
  Bytes ring{16u << 20};            // power of two times the page size
  std::optional<TapDesign> design;  // this one or none; not set: the first that the kernel takes
};

// Cumulative since the slot was taken.
struct Reading {
  std::array<std::uint64_t, PROBE_COUNTERS> counter{};
  std::array<std::uint64_t, RESPONSE_COUNTERS> response{};
  telemetry::Histogram service_time;
};

// What a record is to its reader. `payload` is valid during the call only.
using RecordSink = std::function<void(const tap_record& header, std::span<const std::byte> payload)>;

// Thread-safe, but for poll(): one thread of its own calls it, beside everything else.
class Probe {
 public:
  // Fails with the remedy when the kernel has no BTF, CAP_BPF is missing, or a program does not load.
  static absl::StatusOr<std::unique_ptr<Probe>> load(const Options& options);
  virtual ~Probe() = default;

  // What was tried to find the programs in use, which are the first that load; find_capabilities() tries all.
  virtual const Capabilities& tried() const = 0;

  // A free slot with all counters at zero, nothing sampled. kResourceExhausted when all are taken.
  virtual absl::StatusOr<Slot> take_slot() = 0;
  // Events of sockets that are still marked for it are ignored in the kernel from then on. With TLS it takes a
  // second a library, or more.
  virtual void release_slot(Slot slot) = 0;

  // Service time is measured of one exchange in 2^thinning, at most PROBE_MOST_THINNING; counts of requests and sends
  // are multiplied up. 0 at first. Takes effect at once, open connections included; another slot with listeners at the
  // same port may lower it.
  virtual absl::Status set_thinning(Slot slot, unsigned thinning) = 0;
  // The slot is never thinned.
  virtual absl::Status measure_whole(Slot slot) = 0;

  // Watches a listener and all connections it accepts from now on.
  virtual absl::Status watch_listener(int fd, Slot slot) = 0;
  // Watches a connection that is open already; if `sampled`, its bytes are copied from the next read on, marked
  // TAP_JOIN.
  virtual absl::Status watch_connection(int fd, Slot slot, bool sampled) = 0;

  // The share of the slot's new connections that is sampled; takes effect with the next connection, nothing is
  // re-attached.
  virtual absl::Status set_sampled_fraction(Slot slot, Fraction fraction) = 0;

  // While it is paused, what the service reads on the slot's sampled connections is passed over (PROBE_PAUSED): on each
  // from the end of the exchange under way to that of one at the end of the pause, but never what a connection begins
  // with. The stream goes on behind a gap that is no loss (TAP_PAUSED).
  virtual absl::Status set_paused(Slot slot, bool paused) = 0;

  // The slot's connections that are opened from now on carry TLS, read through one of `libraries`: their records are
  // what it decrypts (TAP_PLAINTEXT), and their ciphertext is not copied. Call it before the slot's listeners are
  // watched, and again, at any time, to add a library. Until release_slot(): kCancelled, if that comes meanwhile.
  virtual absl::Status set_tls(Slot slot, std::span<const tls::Library> libraries) = 0;

  // Of each response on the slot's sampled connections, the first `bound` bytes come as TAP_RESPONSE records from now
  // on; 0: none. Nothing is attached for it before it is asked for. kFailedPrecondition where the kernel does not let
  // it be seen. Until release_slot().
  virtual absl::Status set_responses(Slot slot, Bytes bound) = 0;

  // Fails, too, once a poll() has.
  virtual absl::StatusOr<Reading> read(Slot slot) = 0;

  // How often the kernel did not run one of the programs, since they were loaded, as it had interrupted the same one on
  // the same processor. What is missed so of a connection's life is made up for; an exchange may go unmeasured.
  virtual std::uint64_t missed_runs() const = 0;

  // Of the requests since the slot was taken that were glanced at; empty unless some of its connections are sampled and
  // others not, and for TLS.
  virtual absl::StatusOr<probe_mixes> read_mixes(Slot slot) = 0;

  // Hands all records waiting in the ring to `sink`, waiting up to `timeout` if there are none. Returns how many.
  virtual absl::StatusOr<std::size_t> poll(const RecordSink& sink, Nanos timeout) = 0;
};

}  // namespace gnomon::probe
