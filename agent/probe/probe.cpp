#include "agent/probe/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <mutex>
#include <utility>
#include <vector>

#include "agent/probe/attach.h"
#include "agent/probe/port_thinning.h"
#include "agent/probe/programs.h"
#include "agent/probe/request_tap.h"
#include "agent/probe/response_probe.h"
#include "agent/probe/ring_reader.h"
#include "agent/probe/shared_page.h"
#include "agent/probe/socket.h"
#include "agent/probe/tls_probe.h"
#include "agent/probe/totals.h"
#include "bpf/probe.skel.h"
#include "common/log.h"
#include "common/status.h"

namespace gnomon::probe {
namespace {

constexpr Nanos kPollInterval = std::chrono::milliseconds(5);  // how often an idle reader looks: see PROBE_WAKE_BYTES

absl::Status check_options(const Options& options) {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t ring = options.ring.value;
  if (std::has_single_bit(ring) && ring >= page && ring <= (1u << 30)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("probe: ring of {} bytes; allowed: a power of two from {} to {}", ring, page, 1u << 30));
}

class KernelProbe final : public Probe {
 public:
  KernelProbe(Choice choice, SkeletonPtr skeleton, SharedPage shared)
      : choice_(std::move(choice)),
        skeleton_(std::move(skeleton)),
        shared_(std::move(shared)),
        totals_({.measured = bpf_map__fd(skeleton_->maps.measured),
                 .mixes = bpf_map__fd(skeleton_->maps.mixes),
                 .responded = bpf_map__fd(skeleton_->maps.responded)}),
        thinning_(*shared_),
        requests_(skeleton_->obj, choice_),
        tls_(skeleton_->obj, ring()) {}

  // Attaches the programs and opens the ring.
  absl::Status start();

  const Capabilities& tried() const override { return choice_.tried; }

  absl::StatusOr<Slot> take_slot() override;
  void release_slot(Slot slot) override;
  absl::Status set_thinning(Slot slot, unsigned thinning) override;
  absl::Status measure_whole(Slot slot) override;
  absl::Status watch_listener(int fd, Slot slot) override;
  absl::Status watch_connection(int fd, Slot slot, bool sampled) override;
  absl::Status set_sampled_fraction(Slot slot, Fraction fraction) override;
  absl::Status set_paused(Slot slot, bool paused) override;
  absl::Status set_tls(Slot slot, std::span<const tls::Library> libraries) override;
  absl::Status set_responses(Slot slot, Bytes bound) override;
  absl::StatusOr<Reading> read(Slot slot) override;
  std::uint64_t missed_runs() const override;
  absl::StatusOr<probe_mixes> read_mixes(Slot slot) override;
  absl::StatusOr<std::size_t> poll(const RecordSink& sink, Nanos timeout) override;

 private:
  void look_past_tap();
  void look_past_send();
  absl::Status put_wish(Slot slot, response_wish wish);
  absl::StatusOr<std::size_t> poll_rings(Nanos timeout);
  // Calls `attach` without the lock and, if the slot is still taken, `then` with it.
  absl::Status with_tls(Slot slot, const std::function<absl::Status(TlsProbe::User)>& attach,
                        const std::function<absl::Status()>& then);
  // Changed by the polling thread too, without the lock.
  std::atomic_ref<__u32> flags(Slot slot) { return std::atomic_ref<__u32>(shared_->control[slot].flags); }
  static absl::Status on_record(void* context, std::span<const std::byte> record);
  absl::Status check_taken(Slot slot) const;
  absl::Status mark(int fd, Slot slot, std::uint16_t flags);
  Ring ring() const {
    return {.bytes = skeleton_->rodata->ring_bytes,
            .wake_bytes = skeleton_->rodata->wake_bytes,
            .hot_wake_bytes = skeleton_->rodata->hot_wake_bytes};
  }

  const Choice choice_;
  SkeletonPtr skeleton_;
  const SharedPage shared_;
  std::vector<LinkPtr> links_;  // of what is attached all the time
  Totals totals_;
  PortThinning thinning_;
  RequestTap requests_;
  TlsProbe tls_;                              // waited for without the lock; its users are generations
  std::unique_ptr<ResponseProbe> responses_;  // null until a slot asks for them
  bool packets_refused_ = false;              // what copies them as they leave; not to be tried again and again
  std::unique_ptr<RingReader> rings_;
  // Guards what take_slot() and release_slot() change, but for tls_; poll() reads generations without.
  std::mutex slots_;
  absl::Status polled_;  // not OK once a poll() has failed
  std::uint32_t last_generation_ = 0;
  // 0: free. Read by the polling thread, to drop what released slots left in the ring.
  std::array<std::atomic<std::uint32_t>, PROBE_SLOTS> generation_{};
  std::array<response_wish, PROBE_SLOTS> wishes_{};
  // Of the poll() under way.
  const RecordSink* sink_ = nullptr;
  std::size_t handed_over_ = 0;
};

absl::Status KernelProbe::start() {
  for (const char* program : {choice_.begin, choice_.arrival, choice_.send, choice_.end}) {
    if (program == nullptr) continue;
    ASSIGN_OR_RETURN(LinkPtr link, attach(skeleton_->obj, program));
    links_.push_back(std::move(link));
  }
  ASSIGN_OR_RETURN(rings_, RingReader::open(bpf_map__fd(skeleton_->maps.hot_ring), bpf_map__fd(skeleton_->maps.ring),
                                            &KernelProbe::on_record, this));
  return absl::OkStatus();
}

// From the first bytes on that went past the tap, each read of the machine is asked how it takes bytes; from the first
// on that were spliced, each packet is asked whether it is for a connection on which some were.
void KernelProbe::look_past_tap() {
  for (Slot slot = 0; slot < PROBE_SLOTS; ++slot) {
    std::atomic_ref<__u32> past_tap(shared_->past_tap[slot]);
    if (past_tap == PAST_TAP_NOTHING) continue;
    const std::lock_guard lock(slots_);
    const __u32 found = past_tap.exchange(PAST_TAP_NOTHING);
    if (!check_taken(slot).ok()) continue;
    // Without it the bytes are counted all the same, their cause being unknown, or not captured.
    requests_.follow_causes(slot);
    if (found != PAST_TAP_SPLICED || !requests_.follow_packets(slot)) continue;
    // Of packets it is known by the exchanges that are measured alone which come after a response.
    thinning_.measure_whole(slot);
    flags(slot) |= CONTROL_PACKETS;
  }
}

// From the first response on that was sent from a file, each packet that leaves is asked whether it is of such a
// service.
void KernelProbe::look_past_send() {
  for (Slot slot = 0; slot < PROBE_SLOTS; ++slot) {
    std::atomic_ref<__u32> past_send(shared_->past_send[slot]);
    if (past_send == 0) continue;
    const std::lock_guard lock(slots_);
    past_send = 0;
    response_wish wish = wishes_[slot];
    if (!responses_ || packets_refused_ || wish.bytes == 0 || std::exchange(wish.from_packets, 1) != 0) continue;
    absl::Status followed = responses_->follow_packets(slot);
    if (followed.ok()) followed = put_wish(slot, wish);
    packets_refused_ = !followed.ok();
    if (packets_refused_)
      spdlog::warn("what is sent from files is counted and not captured: {}", std::string(followed.message()));
  }
}

absl::Status KernelProbe::check_taken(Slot slot) const {
  if (slot < PROBE_SLOTS && generation_[slot] != 0) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("probe: slot {} is not taken", slot));
}

absl::StatusOr<Slot> KernelProbe::take_slot() {
  const std::lock_guard lock(slots_);
  const auto free = std::find(generation_.begin(), generation_.end(), 0u);
  if (free == generation_.end()) {
    return absl::ResourceExhaustedError(
        fmt::format("probe: all {} slots are taken; end a session of this node first", PROBE_SLOTS + 0));
  }
  const auto slot = static_cast<Slot>(free - generation_.begin());
  RETURN_IF_ERROR(totals_.begin(slot));
  const std::uint32_t generation = last_generation_ + 1;
  shared_->control[slot] = {.sample_threshold = 0, .generation = generation, .flags = 0};
  last_generation_ = generation;
  *free = generation;
  return slot;
}

void KernelProbe::release_slot(Slot slot) {
  std::unique_lock lock(slots_);
  if (!check_taken(slot).ok()) return;
  const TlsProbe::User user = generation_[slot].exchange(0);
  totals_.end(slot);
  thinning_.forget(slot);
  requests_.drop(slot);
  if (responses_) responses_->follow(slot, false).IgnoreError();
  put_wish(slot, {}).IgnoreError();
  shared_->control[slot] = {.sample_threshold = 0, .generation = 0, .flags = 0};
  lock.unlock();
  tls_.detach(user);
}

// With the lock held.
absl::Status KernelProbe::mark(int fd, Slot slot, std::uint16_t flags) {
  RETURN_IF_ERROR(check_taken(slot));
  RETURN_IF_ERROR(check_socket(fd, (flags & SOCKET_LISTENER) != 0));
  if ((flags & SOCKET_SAMPLED) != 0) RETURN_IF_ERROR(requests_.follow(slot));
  const int map = bpf_map__fd(skeleton_->maps.sockets);
  probe_socket value{};
  const bool watched =
      bpf_map_lookup_elem(map, &fd, &value) == 0 && value.generation == generation_[value.slot % PROBE_SLOTS];
  // A connection's mark holds its place in the stream: marking it anew would lose that.
  if (watched && (value.slot != slot || (flags & SOCKET_LISTENER) == 0)) {
    return absl::AlreadyExistsError(fmt::format("probe: this socket is watched already, for slot {}", value.slot));
  }
  value = {};
  value.slot = static_cast<std::uint16_t>(slot);
  value.flags = flags;
  value.generation = generation_[slot];
  if ((flags & SOCKET_SAMPLED) != 0) {
    ASSIGN_OR_RETURN(value.conn_id, socket_cookie(fd));
  }
  const int result = bpf_map_update_elem(map, &fd, &value, BPF_ANY);
  return result == 0 ? absl::OkStatus() : errno_status(-result, fmt::format("probe: cannot mark socket {}", fd));
}

absl::Status KernelProbe::set_thinning(Slot slot, unsigned thinning) {
  const std::lock_guard lock(slots_);
  RETURN_IF_ERROR(check_taken(slot));
  if (thinning > PROBE_MOST_THINNING)
    return absl::InvalidArgumentError(
        fmt::format("probe: thinning {}; allowed: from 0 to {}", thinning, PROBE_MOST_THINNING + 0));
  thinning_.set(slot, std::string_view(choice_.send) == kSentProgram ? 0 : thinning);
  return absl::OkStatus();
}

absl::Status KernelProbe::measure_whole(Slot slot) {
  const std::lock_guard lock(slots_);
  RETURN_IF_ERROR(check_taken(slot));
  thinning_.measure_whole(slot);
  return absl::OkStatus();
}

absl::Status KernelProbe::watch_listener(int fd, Slot slot) {
  const std::lock_guard lock(slots_);
  RETURN_IF_ERROR(mark(fd, slot, SOCKET_LISTENER));
  ASSIGN_OR_RETURN(const std::uint16_t port, local_port(fd));
  ASSIGN_OR_RETURN(const std::uint64_t netns, netns_cookie(fd));
  thinning_.listen(slot, probe_port(port, netns));
  return absl::OkStatus();
}

absl::Status KernelProbe::watch_connection(int fd, Slot slot, bool sampled) {
  const std::lock_guard lock(slots_);
  return mark(fd, slot, SOCKET_JOINED | SOCKET_DICED | (sampled ? SOCKET_SAMPLED : 0));
}

absl::Status KernelProbe::set_sampled_fraction(Slot slot, Fraction fraction) {
  const std::lock_guard lock(slots_);
  RETURN_IF_ERROR(check_taken(slot));
  if (!(fraction.value >= 0 && fraction.value <= 1)) {
    return absl::InvalidArgumentError(fmt::format("probe: sampled fraction {}; allowed: from 0 to 1", fraction.value));
  }
  if (fraction.value > 0) RETURN_IF_ERROR(requests_.follow(slot));
  shared_->control[slot].sample_threshold = static_cast<__u64>(std::llround(std::ldexp(fraction.value, 32)));
  return absl::OkStatus();
}

absl::Status KernelProbe::set_paused(Slot slot, bool paused) {
  RETURN_IF_ERROR(check_taken(slot));
  if (paused)
    flags(slot) |= CONTROL_PAUSED;
  else
    flags(slot) &= ~CONTROL_PAUSED;
  return absl::OkStatus();
}

// Attaching takes long: the slot may have been released meanwhile, and taken anew.
absl::Status KernelProbe::with_tls(Slot slot, const std::function<absl::Status(TlsProbe::User)>& attach,
                                   const std::function<absl::Status()>& then) {
  std::unique_lock lock(slots_);
  RETURN_IF_ERROR(check_taken(slot));
  const TlsProbe::User user = generation_[slot];
  lock.unlock();
  const absl::Status attached = attach(user);
  lock.lock();
  if (generation_[slot] == user) return attached.ok() ? then() : attached;
  lock.unlock();
  tls_.detach(user);
  return absl::CancelledError(fmt::format("probe: slot {} was released while its TLS was being probed", slot));
}

absl::Status KernelProbe::set_tls(Slot slot, std::span<const tls::Library> libraries) {
  return with_tls(
      slot, [&](TlsProbe::User user) { return tls_.attach(user, libraries); },
      [&] {
        flags(slot) |= CONTROL_TLS;
        return absl::OkStatus();
      });
}

absl::Status KernelProbe::set_responses(Slot slot, Bytes bound) {
  const response_wish wish{.bytes = static_cast<__u32>(bound.value), .from_packets = 0};
  std::unique_lock lock(slots_);
  RETURN_IF_ERROR(check_taken(slot));
  if ((shared_->control[slot].flags & CONTROL_TLS) != 0) {
    lock.unlock();
    return with_tls(
        slot, [&](TlsProbe::User user) { return tls_.set_writes(user, wish.bytes > 0); },
        [&] { return put_wish(slot, wish); });
  }
  if (!responses_) {
    ASSIGN_OR_RETURN(responses_, ResponseProbe::load(skeleton_->obj, ring()));
  }
  RETURN_IF_ERROR(responses_->follow(slot, wish.bytes > 0));
  return put_wish(slot, wish);
}

absl::Status KernelProbe::put_wish(Slot slot, response_wish wish) {
  const int map = bpf_map__fd(skeleton_->maps.response_wishes);
  if (const int error = bpf_map_update_elem(map, &slot, &wish, BPF_ANY); error != 0)
    return errno_status(-error, "probe: cannot set how much is captured of responses");
  wishes_[slot] = wish;
  return absl::OkStatus();
}

absl::StatusOr<Reading> KernelProbe::read(Slot slot) {
  const std::lock_guard lock(slots_);
  RETURN_IF_ERROR(check_taken(slot));
  RETURN_IF_ERROR(polled_);
  return totals_.read(slot);
}

std::uint64_t KernelProbe::missed_runs() const {
  std::uint64_t missed = 0;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton_->obj) {
    bpf_prog_info info{};
    __u32 size = sizeof(info);
    const int fd = bpf_program__fd(program);
    if (fd >= 0 && bpf_obj_get_info_by_fd(fd, &info, &size) == 0) missed += info.recursion_misses;
  }
  return missed;
}

absl::StatusOr<probe_mixes> KernelProbe::read_mixes(Slot slot) {
  const std::lock_guard lock(slots_);
  RETURN_IF_ERROR(check_taken(slot));
  return totals_.read_mixes(slot);
}

absl::Status KernelProbe::on_record(void* context, std::span<const std::byte> record) {
  auto& self = *static_cast<KernelProbe*>(context);
  const auto& header = *reinterpret_cast<const tap_record*>(record.data());
  if (record.size() < sizeof(header) || header.len > record.size() - sizeof(header) || header.slot >= PROBE_SLOTS)
    return absl::InternalError("probe: the ring holds what is not a record");
  if (header.generation != self.generation_[header.slot]) return absl::OkStatus();
  (*self.sink_)(header, record.subspan(sizeof(header), header.len));
  ++self.handed_over_;
  return absl::OkStatus();
}

absl::StatusOr<std::size_t> KernelProbe::poll(const RecordSink& sink, Nanos timeout) {
  sink_ = &sink;
  handed_over_ = 0;
  absl::StatusOr<std::size_t> polled = poll_rings(timeout);
  if (!polled.ok()) {
    const std::lock_guard lock(slots_);
    polled_ = polled.status();
  }
  return polled;
}

absl::StatusOr<std::size_t> KernelProbe::poll_rings(Nanos timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    look_past_tap();
    look_past_send();
    RETURN_IF_ERROR(rings_->drain());
    const Nanos left = deadline - std::chrono::steady_clock::now();
    if (handed_over_ > 0 || left <= Nanos(0)) return handed_over_;
    RETURN_IF_ERROR(rings_->wait(std::min(left, kPollInterval)));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Probe>> Probe::load(const Options& options) {
  RETURN_IF_ERROR(check_options(options));
  RETURN_IF_ERROR(check_btf());
  ASSIGN_OR_RETURN(Chosen chosen, load_best(options.design, options.ring));
  ASSIGN_OR_RETURN(SharedPage shared, map_shared_page(bpf_map__fd(chosen.skeleton->maps.shared)));
  auto probe = std::make_unique<KernelProbe>(std::move(chosen.choice), std::move(chosen.skeleton), std::move(shared));
  RETURN_IF_ERROR(probe->start());
  return probe;
}

}  // namespace gnomon::probe
