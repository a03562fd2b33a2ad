#include "agent/noise/shaper.h"

#include <fmt/format.h>
#include <net/if.h>
#include <netlink/route/class.h>
#include <netlink/route/qdisc.h>
#include <netlink/route/qdisc/htb.h>
#include <netlink/route/qdisc/netem.h>
#include <netlink/route/tc.h>
#include <netlink/socket.h>

#include <cmath>

#include "bpf/abi/noise.h"
#include "common/status.h"

namespace gnomon::noise {
namespace {

constexpr std::uint32_t kRoot = TC_HANDLE(1, 0), kNetem = TC_HANDLE(0x10, 0);
constexpr std::uint64_t kNoLimit = 4'000'000'000;  // bytes a second
constexpr int kMostPackets = 20000;                // that wait: beyond, netem would lose some
static_assert(NOISE_CLASS == TC_HANDLE(1, 1));

struct Free {
  void operator()(nl_sock* it) const { nl_socket_free(it); }
  void operator()(nl_cache* it) const { nl_cache_free(it); }
  void operator()(rtnl_qdisc* it) const { rtnl_qdisc_put(it); }
  void operator()(rtnl_class* it) const { rtnl_class_put(it); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

absl::Status netlink_status(int result, std::string_view what) {
  if (result >= 0) return absl::OkStatus();
  return absl::InternalError(fmt::format("noise: {}: {}", what, nl_geterror(result)));
}

absl::StatusOr<Owned<nl_sock>> open_netlink() {
  Owned<nl_sock> socket(nl_socket_alloc());
  if (!socket) return absl::ResourceExhaustedError("noise: no memory");
  RETURN_IF_ERROR(netlink_status(nl_connect(socket.get(), NETLINK_ROUTE), "netlink"));
  return socket;
}

// One of the link's, below `parent`.
Owned<rtnl_qdisc> queue(int link, std::uint32_t parent, std::uint32_t handle, const char* kind) {
  Owned<rtnl_qdisc> made(rtnl_qdisc_alloc());
  rtnl_tc_set_ifindex(TC_CAST(made.get()), link);
  rtnl_tc_set_parent(TC_CAST(made.get()), parent);
  rtnl_tc_set_handle(TC_CAST(made.get()), handle);
  if (rtnl_tc_set_kind(TC_CAST(made.get()), kind) < 0) made.reset();
  return made;
}

class HtbShaper final : public Shaper {
 public:
  HtbShaper(Owned<nl_sock> socket, int link) : socket_(std::move(socket)), link_(link) {}

  absl::Status start() {
    const Owned<rtnl_qdisc> root = queue(link_, TC_H_ROOT, kRoot, "htb");
    RETURN_IF_ERROR(
        netlink_status(rtnl_qdisc_add(socket_.get(), root.get(), NLM_F_CREATE | NLM_F_REPLACE), "adding htb"));
    return limit(kNoLimit);
  }

  absl::Status set(const Shape& shape) override {
    RETURN_IF_ERROR(limit(shape.rate > 0 ? shape.rate / 8 : kNoLimit));
    if (shape.reordering.value <= 0) return shape_.reordering.value > 0 ? drop_netem(shape) : remember(shape);
    const Owned<rtnl_qdisc> netem = queue(link_, NOISE_CLASS, kNetem, "netem");
    if (!netem) return absl::InternalError("noise: this build knows no netem");
    rtnl_netem_set_limit(netem.get(), kMostPackets);
    rtnl_netem_set_delay(netem.get(), static_cast<int>(kReorderDelay.count() / 1000));
    rtnl_netem_set_gap(netem.get(), 1);
    rtnl_netem_set_reorder_probability(
        netem.get(), static_cast<int>(static_cast<std::uint32_t>(std::llround(shape.reordering.value * 4294967295.0))));
    RETURN_IF_ERROR(
        netlink_status(rtnl_qdisc_add(socket_.get(), netem.get(), NLM_F_CREATE | NLM_F_REPLACE), "adding netem"));
    return remember(shape);
  }

  absl::StatusOr<Totals> read() override {
    Totals totals;
    nl_cache* raw = nullptr;
    RETURN_IF_ERROR(netlink_status(rtnl_class_alloc_cache(socket_.get(), link_, &raw), "reading classes"));
    const Owned<nl_cache> classes(raw);
    const Owned<rtnl_class> ours(rtnl_class_get(raw, link_, NOISE_CLASS));
    if (!ours) return absl::InternalError("noise: the class of responses is gone");
    totals.bytes = rtnl_tc_get_stat(TC_CAST(ours.get()), RTNL_TC_BYTES);
    totals.packets = rtnl_tc_get_stat(TC_CAST(ours.get()), RTNL_TC_PACKETS);
    if (shape_.reordering.value <= 0) return totals;
    RETURN_IF_ERROR(netlink_status(rtnl_qdisc_alloc_cache(socket_.get(), &raw), "reading queues"));
    const Owned<nl_cache> queues(raw);
    const Owned<rtnl_qdisc> netem(rtnl_qdisc_get(raw, link_, kNetem));
    if (!netem) return absl::InternalError("noise: netem is gone");
    // What it puts in front of the others it counts as queued again.
    totals.reordered = rtnl_tc_get_stat(TC_CAST(netem.get()), RTNL_TC_REQUEUES);
    totals.packets = rtnl_tc_get_stat(TC_CAST(netem.get()), RTNL_TC_PACKETS);
    return totals;
  }

 private:
  absl::Status remember(const Shape& shape) {
    shape_ = shape;
    return absl::OkStatus();
  }

  absl::Status drop_netem(const Shape& shape) {
    const Owned<rtnl_qdisc> netem = queue(link_, NOISE_CLASS, kNetem, "netem");
    RETURN_IF_ERROR(netlink_status(rtnl_qdisc_delete(socket_.get(), netem.get()), "removing netem"));
    return remember(shape);
  }

  absl::Status limit(std::uint64_t bytes_per_second) {
    const Owned<rtnl_class> ours(rtnl_class_alloc());
    rtnl_tc_set_ifindex(TC_CAST(ours.get()), link_);
    rtnl_tc_set_parent(TC_CAST(ours.get()), kRoot);
    rtnl_tc_set_handle(TC_CAST(ours.get()), NOISE_CLASS);
    RETURN_IF_ERROR(netlink_status(rtnl_tc_set_kind(TC_CAST(ours.get()), "htb"), "htb"));
    rtnl_htb_set_rate64(ours.get(), bytes_per_second);
    rtnl_htb_set_ceil64(ours.get(), bytes_per_second);
    rtnl_htb_set_quantum(ours.get(), 65536);  // there is one class: nothing to share out
    return netlink_status(rtnl_class_add(socket_.get(), ours.get(), NLM_F_CREATE | NLM_F_REPLACE), "limiting the rate");
  }

  const Owned<nl_sock> socket_;
  const int link_;
  Shape shape_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Shaper>> Shaper::make(const char* link) {
  ASSIGN_OR_RETURN(Owned<nl_sock> socket, open_netlink());
  auto shaper = std::make_unique<HtbShaper>(std::move(socket), static_cast<int>(::if_nametoindex(link)));
  RETURN_IF_ERROR(shaper->start());
  return shaper;
}

absl::Status try_queue(const char* kind) {
  constexpr int kLoopback = 1;  // its index in every network namespace
  ASSIGN_OR_RETURN(const Owned<nl_sock> socket, open_netlink());
  const Owned<rtnl_qdisc> tried = queue(kLoopback, TC_H_ROOT, kRoot, kind);
  if (!tried) return absl::InternalError("not known to libnl");
  if (std::string_view(kind) == "netem") rtnl_netem_set_limit(tried.get(), 1000);
  const int result = rtnl_qdisc_add(socket.get(), tried.get(), NLM_F_CREATE | NLM_F_REPLACE);
  return result >= 0 ? absl::OkStatus() : absl::InternalError(nl_geterror(result));
}

}  // namespace gnomon::noise
