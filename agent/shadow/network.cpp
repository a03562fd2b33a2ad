#include "agent/shadow/network.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/veth.h>
#include <netlink/route/route.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>
#include <vector>

#include "agent/discovery/procfs.h"
#include "agent/shadow/namespaces.h"
#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::shadow {
namespace {

constexpr char kShadowV4[] = "169.254.77.2", kShadowV6[] = "fd6e:676e:6f6d::2";

// What of a network namespace shapes how a server's connections behave.
constexpr std::array kCopiedSettings = {"core/somaxconn",
                                        "ipv4/tcp_max_syn_backlog",
                                        "ipv4/ip_local_port_range",
                                        "ipv4/tcp_rmem",
                                        "ipv4/tcp_wmem",
                                        "ipv4/tcp_slow_start_after_idle",
                                        "ipv4/tcp_fin_timeout",
                                        "ipv4/tcp_keepalive_time",
                                        "ipv4/tcp_keepalive_intvl",
                                        "ipv4/tcp_keepalive_probes",
                                        "ipv4/tcp_syncookies",
                                        "ipv4/tcp_congestion_control"};

using Settings = std::vector<std::pair<std::string, std::string>>;

struct Free {
  void operator()(nl_sock* it) const { nl_socket_free(it); }
  void operator()(rtnl_link* it) const { rtnl_link_put(it); }
  void operator()(rtnl_addr* it) const { rtnl_addr_put(it); }
  void operator()(nl_addr* it) const { nl_addr_put(it); }
  void operator()(rtnl_route* it) const { rtnl_route_put(it); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

absl::Status netlink_status(int result, const std::string& what) {
  if (result >= 0) return absl::OkStatus();
  return absl::InternalError(fmt::format("shadow network: {}: {}", what, nl_geterror(result)));
}

// Works in the namespace that the thread was in when it was opened.
class Netlink {
 public:
  static absl::StatusOr<Netlink> open() {
    Netlink netlink;
    netlink.socket_.reset(nl_socket_alloc());
    if (!netlink.socket_) return absl::ResourceExhaustedError("shadow network: no memory");
    RETURN_IF_ERROR(netlink_status(nl_connect(netlink.socket_.get(), NETLINK_ROUTE), "netlink"));
    return netlink;
  }

  absl::Status add_link_pair(const char* name, const char* peer, int peer_netns) {
    const Owned<rtnl_link> link(rtnl_link_veth_alloc());
    rtnl_link_set_name(link.get(), name);
    rtnl_link* other = rtnl_link_veth_get_peer(link.get());  // a reference of its own
    rtnl_link_set_name(other, peer);
    rtnl_link_set_ns_fd(other, peer_netns);
    rtnl_link_put(other);
    return netlink_status(rtnl_link_add(socket_.get(), link.get(), NLM_F_CREATE | NLM_F_EXCL), "making the link");
  }

  absl::Status set_up(const char* name) {
    const Owned<rtnl_link> which(rtnl_link_alloc()), change(rtnl_link_alloc());
    rtnl_link_set_ifindex(which.get(), static_cast<int>(::if_nametoindex(name)));
    rtnl_link_set_flags(change.get(), IFF_UP);
    return netlink_status(rtnl_link_change(socket_.get(), which.get(), change.get(), 0), fmt::format("{} up", name));
  }

  absl::Status add_address(const char* name, const std::string& address) {
    ASSIGN_OR_RETURN(const Owned<nl_addr> local, parse(address));
    const Owned<rtnl_addr> entry(rtnl_addr_alloc());
    rtnl_addr_set_ifindex(entry.get(), static_cast<int>(::if_nametoindex(name)));
    rtnl_addr_set_local(entry.get(), local.get());
    // Nobody else can have it: without waiting for the detection of duplicates it is usable at once.
    if (nl_addr_get_family(local.get()) == AF_INET6) rtnl_addr_set_flags(entry.get(), IFA_F_NODAD);
    const int result = rtnl_addr_add(socket_.get(), entry.get(), 0);
    return netlink_status(result == -NLE_EXIST ? 0 : result, fmt::format("address {}", address));
  }

  absl::Status add_route(const char* name, const std::string& destination, const std::string& gateway) {
    ASSIGN_OR_RETURN(const Owned<nl_addr> to, parse(destination));
    ASSIGN_OR_RETURN(const Owned<nl_addr> via, parse(gateway));
    const Owned<rtnl_route> route(rtnl_route_alloc());
    rtnl_route_set_family(route.get(), static_cast<uint8_t>(nl_addr_get_family(to.get())));
    rtnl_route_set_dst(route.get(), to.get());
    rtnl_nexthop* hop = rtnl_route_nh_alloc();  // the route owns it from the next lines on
    rtnl_route_nh_set_ifindex(hop, static_cast<int>(::if_nametoindex(name)));
    rtnl_route_nh_set_gateway(hop, via.get());
    rtnl_route_add_nexthop(route.get(), hop);
    const int result = rtnl_route_add(socket_.get(), route.get(), 0);
    return netlink_status(result == -NLE_EXIST ? 0 : result, fmt::format("route to {}", destination));
  }

 private:
  static absl::StatusOr<Owned<nl_addr>> parse(const std::string& text) {
    nl_addr* address = nullptr;
    RETURN_IF_ERROR(netlink_status(nl_addr_parse(text.c_str(), AF_UNSPEC, &address), fmt::format("address {}", text)));
    return Owned<nl_addr>(address);
  }

  Owned<nl_sock> socket_;
};

bool is_v6(const std::string& address) {
  return address.find(':') != std::string::npos;
}
std::string host_prefix(const std::string& address) {
  return address + (is_v6(address) ? "/128" : "/32");
}

// /proc/sys/net shows the namespace of the thread that opens it.
Settings read_settings() {
  Settings settings;
  for (const char* name : kCopiedSettings)
    if (const auto value = discovery::read_file(std::string("/proc/sys/net/") + name))
      settings.emplace_back(name, *value);
  return settings;
}

// A setting that a kernel does not have, or not per namespace, stays as it is.
void write_settings(const Settings& settings) {
  for (const auto& [name, value] : settings) std::ofstream("/proc/sys/net/" + name) << value;
}

absl::Status set_up_shadow_side(const Settings& settings, const std::vector<std::string>& own_addresses) {
  write_settings(settings);
  // The service may also bind addresses of its host that are not the asked port's, and low ports by a right that its
  // namespace gave it.
  write_settings(
      {{"ipv4/ip_nonlocal_bind", "1"}, {"ipv6/ip_nonlocal_bind", "1"}, {"ipv4/ip_unprivileged_port_start", "0"}});
  ASSIGN_OR_RETURN(Netlink netlink, Netlink::open());
  RETURN_IF_ERROR(netlink.set_up("lo"));
  RETURN_IF_ERROR(netlink.add_address(kShadowLink, std::string(kShadowV4) + "/30"));
  RETURN_IF_ERROR(netlink.set_up(kShadowLink));
  if (::access("/proc/sys/net/ipv6", F_OK) == 0)
    RETURN_IF_ERROR(netlink.add_address(kShadowLink, std::string(kShadowV6) + "/64"));
  for (const std::string& address : own_addresses) RETURN_IF_ERROR(netlink.add_address("lo", host_prefix(address)));
  return absl::OkStatus();
}

absl::Status set_up_replay_side(int shadow_netns, const std::vector<std::string>& own_addresses,
                                const std::function<absl::Status()>& set_up_peer) {
  ASSIGN_OR_RETURN(Netlink netlink, Netlink::open());
  RETURN_IF_ERROR(netlink.add_link_pair(kReplayLink, kShadowLink, shadow_netns));
  RETURN_IF_ERROR(set_up_peer());
  write_settings({{"ipv4/ip_local_port_range", "1024 65535"}});  // the replayer opens connections from one address
  RETURN_IF_ERROR(netlink.set_up("lo"));
  RETURN_IF_ERROR(netlink.add_address(kReplayLink, std::string(kReplayV4) + "/30"));
  RETURN_IF_ERROR(netlink.set_up(kReplayLink));
  if (::access("/proc/sys/net/ipv6", F_OK) == 0)
    RETURN_IF_ERROR(netlink.add_address(kReplayLink, std::string(kReplayV6) + "/64"));
  for (const std::string& address : own_addresses)
    RETURN_IF_ERROR(netlink.add_route(kReplayLink, host_prefix(address), is_v6(address) ? kShadowV6 : kShadowV4));
  return absl::OkStatus();
}

// Where the replayer connects: a listener of every address before one of a single address before loopback, IPv4 first.
void choose_address(const discovery::Instance& instance, Network* network) {
  const auto rank = [](const discovery::ListenSocket& listener) {
    return (listener.loopback ? 4 : listener.wildcard ? 0 : 2) + (is_v6(listener.address) ? 1 : 0);
  };
  const auto best = std::min_element(instance.listeners.begin(), instance.listeners.end(),
                                     [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  network->inside = best->loopback;
  network->address = best->wildcard ? (is_v6(best->address) ? kShadowV6 : kShadowV4) : best->address;
}

}  // namespace

absl::StatusOr<Network> make_network(const discovery::Instance& instance) {
  if (instance.listeners.empty()) return absl::InvalidArgumentError("shadow network: the instance has no listener");
  Network network;
  choose_address(instance, &network);
  std::vector<std::string> own_addresses;
  for (const discovery::ListenSocket& listener : instance.listeners)
    if (!listener.wildcard && !listener.loopback) own_addresses.push_back(listener.address);

  Settings settings;
  const UniqueFd production(::open(fmt::format("/proc/{}/ns/net", instance.pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!production.valid()) return errno_status(fmt::format("network namespace of process {}", instance.pid));
  RETURN_IF_ERROR(run_inside(production.get(), CLONE_NEWNET, [&] {
    settings = read_settings();
    return absl::OkStatus();
  }));
  ASSIGN_OR_RETURN(network.shadow, new_network_namespace());
  ASSIGN_OR_RETURN(network.replay, new_network_namespace());
  const auto set_up_peer = [&] {
    return run_inside(network.shadow.get(), CLONE_NEWNET, [&] { return set_up_shadow_side(settings, own_addresses); });
  };
  RETURN_IF_ERROR(run_inside(network.replay.get(), CLONE_NEWNET,
                             [&] { return set_up_replay_side(network.shadow.get(), own_addresses, set_up_peer); }));
  network.own_addresses = std::move(own_addresses);
  for (const char* address : {kShadowV4, kShadowV6}) network.own_addresses.emplace_back(address);
  return network;
}

}  // namespace gnomon::shadow
