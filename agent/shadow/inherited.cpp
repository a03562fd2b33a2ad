#include "agent/shadow/inherited.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <utility>

#include "agent/discovery/procfs.h"
#include "agent/discovery/sockets.h"
#include "agent/shadow/inherited_numbers.h"
#include "agent/shadow/namespaces.h"
#include "common/log.h"
#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::shadow {
namespace {

struct Option {
  int level, name;
};

// What of a socket's options shapes how it accepts and serves.
constexpr std::array kOptions = {
    Option{SOL_SOCKET, SO_REUSEADDR},  Option{SOL_SOCKET, SO_REUSEPORT},      Option{SOL_SOCKET, SO_KEEPALIVE},
    Option{IPPROTO_TCP, TCP_NODELAY},  Option{IPPROTO_TCP, TCP_DEFER_ACCEPT}, Option{IPPROTO_TCP, TCP_FASTOPEN},
    Option{IPPROTO_IPV6, IPV6_V6ONLY},
};

void copy_options(int from, int to) {
  for (const Option& option : kOptions) {
    int value = 0;
    socklen_t length = sizeof value;
    // Those that this kind of socket does not have stay unset.
    if (::getsockopt(from, option.level, option.name, &value, &length) == 0 && value != 0)
      ::setsockopt(to, option.level, option.name, &value, length);
  }
}

int backlog_of(int listener) {
  tcp_info info{};
  socklen_t length = sizeof info;
  // Of a listener the kernel puts the longest queue there.
  if (::getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_sacked > 0)
    return static_cast<int>(info.tcpi_sacked);
  return SOMAXCONN;
}

int integer_option(int socket, int name) {
  int value = 0;
  socklen_t length = sizeof value;
  return ::getsockopt(socket, SOL_SOCKET, name, &value, &length) == 0 ? value : 0;
}

// In the calling thread's network namespace.
absl::StatusOr<UniqueFd> copy_socket(const UniqueFd& original) {
  const int family = integer_option(original.get(), SO_DOMAIN), type = integer_option(original.get(), SO_TYPE);
  const bool local = family == AF_UNIX, internet = family == AF_INET || family == AF_INET6;
  if (!local && !internet) return absl::UnimplementedError("of another kind");
  UniqueFd copy(::socket(family, type | SOCK_CLOEXEC, 0));
  if (!copy.valid()) return errno_status("socket");
  copy_options(original.get(), copy.get());
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(original.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0)
    return errno_status("getsockname");
  // Nobody in the shadow knows a local socket's name but the service itself: one that the kernel finds will do.
  if (local) length = sizeof(sa_family_t);
  if (::bind(copy.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0)
    return errno_status("binding it in the shadow's network");
  if (integer_option(original.get(), SO_ACCEPTCONN) != 0 && ::listen(copy.get(), backlog_of(original.get())) != 0)
    return errno_status("listening in the shadow's network");
  if ((::fcntl(original.get(), F_GETFL) & O_NONBLOCK) != 0) ::fcntl(copy.get(), F_SETFL, O_NONBLOCK);
  return copy;
}

absl::StatusOr<UniqueFd> copy_descriptor(const std::string& directory, pid_t pid, int number, int netns) {
  const std::string target = discovery::read_link(fmt::format("{}/fd/{}", directory, number)).value_or("");
  if (const std::uint64_t inode = discovery::inode_in_link(target, "socket")) {
    ASSIGN_OR_RETURN(const UniqueFd original, discovery::borrow_socket({pid, number, inode}));
    absl::StatusOr<UniqueFd> copy = absl::InternalError("");
    RETURN_IF_ERROR(run_inside(netns, CLONE_NEWNET, [&] {
      copy = copy_socket(original);
      return absl::OkStatus();
    }));
    if (!absl::IsUnimplemented(copy.status())) return copy;
  }
  spdlog::info("shadow: its descriptor {} ({}) is /dev/null", number, target.empty() ? "closed by now" : target);
  UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.valid()) return errno_status("/dev/null");
  return null;
}

}  // namespace

absl::StatusOr<Inherited> recreate_inherited(const std::string& proc, const discovery::Instance& instance,
                                             const std::vector<std::string>& argv, int netns) {
  const std::string directory = fmt::format("{}/{}", proc, instance.pid);
  const std::string environment = discovery::read_file(directory + "/environ").value_or("");
  std::set<int> listeners;
  for (const discovery::ListenSocket& listener : instance.listeners)
    if (listener.pid == instance.pid) listeners.insert(listener.fd);
  // In the process's own pid namespace: what its manager has told it.
  std::istringstream inner(discovery::field_of(discovery::read_file(directory + "/status").value_or(""), "NSpid"));
  pid_t pid = instance.pid;
  for (pid_t number = 0; inner >> number;) pid = number;

  Inherited inherited;
  for (const int number : inherited_numbers(environment, argv, pid, listeners)) {
    auto descriptor = copy_descriptor(directory, instance.pid, number, netns);
    if (!descriptor.ok()) return annotate(descriptor.status(), fmt::format("its inherited descriptor {}", number));
    inherited.numbers.push_back(number);
    inherited.descriptors.push_back(std::move(*descriptor));
  }
  const bool promised = inherited.numbers.end() != std::ranges::find(inherited.numbers, kFirstPromised);
  for (const std::string& entry : entries_of(environment))
    if (promised && (entry.starts_with("LISTEN_FDS=") || entry.starts_with("LISTEN_FDNAMES=")))
      inherited.environment.push_back(entry);
  return inherited;
}

}  // namespace gnomon::shadow
