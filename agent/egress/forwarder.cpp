#include "agent/egress/forwarder.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <cstring>
#include <deque>
#include <future>
#include <list>
#include <type_traits>
#include <utility>

#include "agent/egress/tcp_relay.h"
#include "agent/egress/udp_relay.h"
#include "boost/asio/executor_work_guard.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/post.hpp"
#include "common/status.h"

namespace gnomon::egress {

namespace asio = boost::asio;
using asio::ip::tcp;
using asio::ip::udp;
using boost::system::error_code;

namespace {

constexpr int kBacklog = 256;
constexpr std::chrono::milliseconds kAcceptPause{100};  // when there is no descriptor left for a connection

// A socket of that type at that address and a free port. Of IPv6 none, without an error, where there is no such
// address.
absl::StatusOr<UniqueFd> open_at(const IpAddress& address, int type, std::uint16_t* port) {
  const int family = address.v4() ? AF_INET : AF_INET6;
  UniqueFd socket(::socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_storage storage{};
  socklen_t length = sizeof(sockaddr_in6);
  storage.ss_family = static_cast<sa_family_t>(family);
  if (address.v4()) {
    length = sizeof(sockaddr_in);
    std::memcpy(&reinterpret_cast<sockaddr_in*>(&storage)->sin_addr, address.bytes.data() + 12, 4);
  } else {
    std::memcpy(&reinterpret_cast<sockaddr_in6*>(&storage)->sin6_addr, address.bytes.data(), 16);
  }
  auto* const name = reinterpret_cast<sockaddr*>(&storage);
  if (!socket.valid() || ::bind(socket.get(), name, length) != 0) {
    if (family == AF_INET6 && (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT)) return UniqueFd();
    return errno_status(fmt::format("egress forwarder: {}", address.to_string()));
  }
  if (type == SOCK_STREAM && ::listen(socket.get(), kBacklog) != 0) return errno_status("egress forwarder: listen");
  if (::getsockname(socket.get(), name, &length) != 0) return errno_status("egress forwarder: getsockname");
  *port = ntohs(address.v4() ? reinterpret_cast<sockaddr_in*>(&storage)->sin_port
                             : reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port);
  return socket;
}

asio::ip::address to_asio(const IpAddress& address) {
  if (!address.v4()) return asio::ip::address_v6(address.bytes);
  asio::ip::address_v4::bytes_type bytes;
  std::memcpy(bytes.data(), address.bytes.data() + 12, bytes.size());
  return asio::ip::address_v4(bytes);
}

SocketAddress from_asio(const tcp::endpoint& endpoint) {
  const auto v6 = endpoint.address().is_v4()
                      ? asio::ip::make_address_v6(asio::ip::v4_mapped, endpoint.address().to_v4())
                      : endpoint.address().to_v6();
  SocketAddress address;
  address.port = endpoint.port();
  const auto bytes = v6.to_bytes();
  std::memcpy(address.address.bytes.data(), bytes.data(), bytes.size());
  return address;
}

class AsioForwarder final : public Forwarder, private TcpRelay::Owner {
 public:
  AsioForwarder(std::vector<EgressRule> rules, Guard& guard, std::uint64_t seed)
      : rules_(std::move(rules)), guard_(guard) {
    for (const EgressRule& rule : rules_) paths_.emplace_back(rule.delay_mean, rule.delay_stddev, seed++);
  }

  ~AsioForwarder() override {
    io_.stop();
    if (thread_.joinable()) thread_.join();
  }

  void start(Listeners listeners) {
    ports_ = std::move(listeners.ports);
    for (std::size_t i = 0; i < listeners.tcp.size(); ++i)
      if (UniqueFd& fd = listeners.tcp[i]; fd.valid())
        accept(acceptors_.emplace_back(io_, rules_[i].network.v4() ? tcp::v4() : tcp::v6(), fd.release()));
    for (std::size_t i = 0; i < listeners.udp.size(); ++i) {
      if (!listeners.udp[i].valid()) continue;
      udp::socket socket(io_, rules_[i].network.v4() ? udp::v4() : udp::v6(), listeners.udp[i].release());
      const SocketAddress to = rules_[i].redirect.value_or(SocketAddress{rules_[i].network, *rules_[i].port});
      datagrams_.push_back(std::make_unique<UdpRelay>(io_, std::move(socket),
                                                      udp::endpoint(to_asio(to.address), to.port), paths_[i], udp_));
      datagrams_.back()->start();
    }
    thread_ = std::thread([this] { io_.run(); });
  }

  Totals totals() const override {
    return on_thread([&] {
      Totals totals = totals_;
      totals.datagrams = udp_.datagrams;
      totals.dropped = udp_.dropped;
      return totals;
    });
  }

  void set_noise(std::size_t rule, const PathNoise& noise) override {
    on_thread([&] {
      paths_[rule].set(noise);
      return true;
    });
  }

  PathTally noise_tally(std::size_t rule) const override {
    return on_thread([&] { return paths_[rule].tally(); });
  }

  void switch_noise(bool on) override {
    on_thread([&] {
      for (Path& path : paths_) path.switch_to(on);
      return true;
    });
  }

  const Ports& ports() const override { return ports_; }

 private:
  // What the call, made on the forwarder's thread, returns.
  template <class Call>
  std::invoke_result_t<Call> on_thread(Call call) const {
    std::promise<std::invoke_result_t<Call>> answer;
    asio::post(io_, [&] { answer.set_value(call()); });
    return answer.get_future().get();
  }

  void accept(tcp::acceptor& acceptor) {
    acceptor.async_accept([this, &acceptor](error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted) return;
      if (error) {
        pause_.expires_after(kAcceptPause);
        pause_.async_wait([this, &acceptor](error_code stopped) {
          if (!stopped) accept(acceptor);
        });
        return;
      }
      relay(std::move(socket));
      accept(acceptor);
    });
  }

  void relay(tcp::socket socket) {
    ++totals_.accepted;
    error_code error;
    const auto source = socket.remote_endpoint(error);
    const auto flow = error ? std::nullopt : guard_.take_flow(from_asio(source));
    if (!flow || flow->rule >= rules_.size() || open_ >= kMostConnections) {
      ++totals_.refused;
      socket.set_option(asio::socket_base::linger(true, 0), error);
      return;
    }
    ++open_;
    const SocketAddress to = rules_[flow->rule].redirect.value_or(flow->destination);
    std::make_shared<TcpRelay>(std::move(socket), paths_[flow->rule], static_cast<TcpRelay::Owner&>(*this))
        ->connect({to_asio(to.address), to.port});
  }

  void connected(bool success) override { ++(success ? totals_.connected : totals_.failed); }
  void ended() override { --open_; }

  const std::vector<EgressRule> rules_;
  Guard& guard_;
  Ports ports_;
  std::deque<Path> paths_;  // of the rules; on the thread only, too
  // On the thread only, from its start on; they outlive what the loop holds.
  Totals totals_;
  UdpRelay::Counters udp_;
  std::size_t open_ = 0;

  mutable asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  asio::steady_timer pause_{io_};
  std::list<tcp::acceptor> acceptors_;
  std::vector<std::unique_ptr<UdpRelay>> datagrams_;
  std::thread thread_;
};

}  // namespace

absl::StatusOr<Listeners> listen_for(const Link& link, const std::vector<EgressRule>& rules) {
  Listeners listeners;
  if (rules.empty()) return listeners;
  for (const EgressRule& rule : rules) {
    const IpAddress& here = rule.network.v4() ? link.agent_v4 : link.agent_v6;
    ASSIGN_OR_RETURN(listeners.tcp.emplace_back(), open_at(here, SOCK_STREAM, &listeners.ports.tcp.emplace_back()));
    UniqueFd& socket = listeners.udp.emplace_back();
    std::uint16_t& port = listeners.ports.udp.emplace_back();
    if (rule.single()) {
      ASSIGN_OR_RETURN(socket, open_at(here, SOCK_DGRAM, &port));
    }
  }
  return listeners;
}

absl::StatusOr<std::unique_ptr<Forwarder>> Forwarder::start(Listeners listeners, std::vector<EgressRule> rules,
                                                            Guard& guard, std::uint64_t seed) {
  auto forwarder = std::make_unique<AsioForwarder>(std::move(rules), guard, seed);
  try {
    forwarder->start(std::move(listeners));
  } catch (const boost::system::system_error& error) {
    return absl::InternalError(fmt::format("egress forwarder: {}", error.what()));
  }
  return forwarder;
}

}  // namespace gnomon::egress
