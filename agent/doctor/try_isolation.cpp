// What shadows are made of, each made once: in a child or a thread with namespaces of its own, gone with it.

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "agent/doctor/gather.h"
#include "agent/shadow/cgroups.h"
#include "agent/shadow/namespaces.h"
#include "common/unique_fd.h"

namespace gnomon::doctor {
namespace {

constexpr uid_t kNobody = 65534;

// Runs `attempt` in a child, which the kernel ends after ten seconds. It returns errno's value or 0.
int in_child(int (*attempt)(int), int argument) {
  const pid_t child = ::fork();
  if (child < 0) return errno;
  if (child == 0) {
    ::alarm(10);
    ::_exit(attempt(argument));
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : ETIMEDOUT;
}

int enter_namespace(int flag) {
  return ::unshare(flag) == 0 ? 0 : errno;
}

// As a shadow's root is made: over this process's root, with the upper layer in memory. Mounts are the child's own.
int mount_overlay(int) {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return errno;
  if (::mount("gnomon", "/tmp", "tmpfs", 0, "size=1m,mode=700") != 0) return errno;
  for (const char* directory : {"/tmp/upper", "/tmp/work", "/tmp/merged"})
    if (::mkdir(directory, 0700) != 0) return errno;
  const char* options = "lowerdir=/,upperdir=/tmp/upper,workdir=/tmp/work";
  return ::mount("gnomon", "/tmp/merged", "overlay", 0, options) == 0 ? 0 : errno;
}

struct NetlinkRequest {
  alignas(nlmsghdr) std::array<char, 256> bytes{};

  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes.data()); }
  template <class Body>
  void begin(std::uint16_t type, const Body& body) {
    header()->nlmsg_type = type;
    header()->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
    header()->nlmsg_len = NLMSG_LENGTH(sizeof body);
    std::memcpy(NLMSG_DATA(header()), &body, sizeof body);
  }
  // Appends an attribute. Returns where it is, for one that others are put into.
  rtattr* add(std::uint16_t type, const void* data, std::size_t size) {
    auto* attribute = reinterpret_cast<rtattr*>(bytes.data() + NLMSG_ALIGN(header()->nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = static_cast<std::uint16_t>(RTA_LENGTH(size));
    if (size > 0) std::memcpy(RTA_DATA(attribute), data, size);
    header()->nlmsg_len = static_cast<std::uint32_t>(NLMSG_ALIGN(header()->nlmsg_len) + RTA_ALIGN(attribute->rta_len));
    return attribute;
  }
  void end(rtattr* outer) {
    outer->rta_len = static_cast<std::uint16_t>(bytes.data() + header()->nlmsg_len - reinterpret_cast<char*>(outer));
  }
  // Sends it to the network namespace of the calling thread. Returns errno's value or 0, as the kernel answers.
  int send() {
    const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    if (!socket.valid() || ::send(socket.get(), bytes.data(), header()->nlmsg_len, 0) < 0) return errno;
    alignas(nlmsghdr) std::array<char, 4096> answer{};
    const ssize_t size = ::recv(socket.get(), answer.data(), answer.size(), 0);
    const auto* message = reinterpret_cast<const nlmsghdr*>(answer.data());
    if (size < 0) return errno;
    if (size < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr))) || message->nlmsg_type != NLMSG_ERROR)
      return EPROTO;
    return -static_cast<const nlmsgerr*>(NLMSG_DATA(message))->error;
  }
};

int make_veth() {
  NetlinkRequest request;
  request.begin(RTM_NEWLINK, ifinfomsg{});
  rtattr* info = request.add(IFLA_LINKINFO, nullptr, 0);
  request.add(IFLA_INFO_KIND, "veth", sizeof "veth");
  request.end(info);
  return request.send();
}

int make_netem() {
  constexpr int kLoopback = 1;  // its index in every network namespace
  NetlinkRequest request;
  tcmsg where{};
  where.tcm_family = AF_UNSPEC;
  where.tcm_ifindex = kLoopback;
  where.tcm_parent = TC_H_ROOT;
  request.begin(RTM_NEWQDISC, where);
  request.add(TCA_KIND, "netem", sizeof "netem");
  tc_netem_qopt options{};
  options.limit = 1000;
  request.add(TCA_OPTIONS, &options, sizeof options);
  return request.send();
}

Trial in_network_namespace(int (*attempt)()) {
  const auto space = shadow::new_network_namespace();
  if (!space.ok())
    return {absl::IsPermissionDenied(space.status()) ? EPERM : EINVAL, std::string(space.status().message())};
  int error = 0;
  const absl::Status entered = shadow::run_inside(space->get(), CLONE_NEWNET, [&] {
    error = attempt();
    return absl::OkStatus();
  });
  return entered.ok() ? Trial{error, ""} : Trial{EPERM, std::string(entered.message())};
}

bool has_word(const std::string& path, const std::string& wanted) {
  std::ifstream in(path);
  for (std::string word; in >> word;)
    if (word == wanted) return true;
  return false;
}

Hierarchy try_hierarchy(const std::string& mount, bool v2) {
  Hierarchy found{.mount = mount, .v2 = v2, .make = {}, .cpu = false, .memory = false};
  const std::string own = mount + "/gnomon-doctor-" + std::to_string(::getpid());
  if (::mkdir(own.c_str(), 0755) != 0) found.make.error = errno;
  const std::string& where = found.make.works() ? own : mount;
  const auto there = [&](const char* file) { return ::access((where + "/" + file).c_str(), F_OK) == 0; };
  // In v2 a controller that is handed down, or that can be.
  found.cpu = v2 ? there("cpu.max") || has_word(mount + "/cgroup.controllers", "cpu") : there("cpu.cfs_quota_us");
  found.memory =
      v2 ? there("memory.max") || has_word(mount + "/cgroup.controllers", "memory") : there("memory.limit_in_bytes");
  if (found.make.works()) ::rmdir(own.c_str());
  return found;
}

}  // namespace

std::vector<NamedTrial> try_namespaces() {
  static constexpr std::array<std::pair<const char*, int>, 6> kKinds = {{{"mount", CLONE_NEWNS},
                                                                         {"network", CLONE_NEWNET},
                                                                         {"pid", CLONE_NEWPID},
                                                                         {"ipc", CLONE_NEWIPC},
                                                                         {"uts", CLONE_NEWUTS},
                                                                         {"cgroup", CLONE_NEWCGROUP}}};
  std::vector<NamedTrial> trials;
  for (const auto& [name, flag] : kKinds) trials.push_back({name, {in_child(enter_namespace, flag), ""}});
  return trials;
}

Trial try_overlay() {
  return {in_child(mount_overlay, 0), ""};
}

Trial try_mount_copy() {
  const UniqueFd copy(::open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  return {copy.valid() ? 0 : errno, ""};
}

// Of a child that is another user's, if it can be made one: as the agent's user and the service's differ.
Trial try_pidfd_getfd() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return {errno, "pipe"};
  const UniqueFd ready(ends[0]), done(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return {errno, "fork"};
  if (child == 0) {
    ::alarm(10);
    const bool other = ::setresuid(kNobody, kNobody, kNobody) == 0;
    if (::write(done.get(), &other, sizeof other) == sizeof other) ::pause();
    ::_exit(0);
  }
  bool other = false;
  Trial trial{ECHILD, ""};
  if (::read(ready.get(), &other, sizeof other) == sizeof other) {
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
    const UniqueFd copy(process.valid() ? static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), ready.get(), 0))
                                        : -1);
    trial = {copy.valid() ? 0 : errno, process.valid() ? "" : "pidfd_open"};
  }
  ::kill(child, SIGKILL);
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return trial;
}

Trial try_veth() {
  return in_network_namespace(make_veth);
}

Trial try_netem() {
  return in_network_namespace(make_netem);
}

std::vector<Hierarchy> try_cgroups(const std::string& root) {
  std::vector<Hierarchy> found;
  for (const auto& [mount, v2] : shadow::hierarchies(root)) found.push_back(try_hierarchy(mount, v2));
  return found;
}

}  // namespace gnomon::doctor
