// Ways out of a shadow, tried from inside by its root: each is refused there, and what can be tried outside without
// harm is not refused there for want of permission, so that a refusal inside tells something.

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "agent/discovery/cgroup.h"
#include "agent/discovery/procfs.h"
#include "agent/shadow/cgroups.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/shadow_fixture.h"

namespace gnomon::shadow {
namespace {

using discovery::field_of;
using discovery::read_file;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kAttempts[] = R"(
import ctypes, errno, signal, stat, struct
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
def call(number, *args):
    words = [ctypes.c_char_p(a) if isinstance(a, bytes) else ctypes.c_ulong(a) for a in args]
    result = libc.syscall(ctypes.c_long(number), *words)
    return 'allowed' if result >= 0 else errno.errorcode[ctypes.get_errno()]
def in_child(action):
    near, far = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(far, str(action()).encode())
        os._exit(0)
    os.close(far)
    os.waitpid(child, 0)
    text = os.read(near, 4096).decode()
    os.close(near)
    return text
def netlink(kind):
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
        s.send(struct.pack('=IHHII', 32, kind, 5, 1, 0) + bytes(16))
        return errno.errorcode[-struct.unpack('=i', s.recv(4096)[16:20])[0]]
def fill(path):
    size = 0
    try:
        with open(path, 'wb', 0) as f:
            while True: size += f.write(bytes(1 << 20))
    except OSError as e:
        os.unlink(path)
        return errno.errorcode[e.errno], size <= 64 << 20
children = []
def bomb(most):
    try:
        while len(children) < most:
            child = os.fork()
            if child == 0:
                while True: signal.pause()
            children.append(child)
    except OSError as e: return errno.errorcode[e.errno]
    return 'allowed'
def connect(address):
    with socket.socket(socket.AF_UNIX) as s: return attempt(s.connect, address)
)";

class ShadowBypass : public EvalShadow {
 protected:
  ShadowBypass() : EvalShadow(kAttempts) {}
  // The value of the same expression in production.
  std::string outside(const std::string& expression) { return evaluate(-1, "127.0.0.1", port_, expression); }
};

struct Call {
  const char* name;
  long number;
  const char* arguments;  // that harm nobody where the call is allowed
};

constexpr Call kRefused[] = {
    {"setns", SYS_setns, "(1 << 32) - 1, 0"},
    {"mount", SYS_mount, "b'none', b'/nonexistent', b'tmpfs', 0, 0"},
    {"umount2", SYS_umount2, "b'/nonexistent', 0"},
    {"pivot_root", SYS_pivot_root, "b'/nonexistent', b'/nonexistent'"},
    {"open_tree", SYS_open_tree, "(1 << 32) - 1, b'x', 0"},
    {"move_mount", SYS_move_mount, "(1 << 32) - 1, b'x', (1 << 32) - 1, b'x', 0"},
    {"fsopen", SYS_fsopen, "b'nonexistent', 0"},
    {"ptrace", SYS_ptrace, "16, 1 << 30, 0, 0"},
    {"process_vm_readv", SYS_process_vm_readv, "1 << 30, 0, 0, 0, 0, 0"},
    {"process_vm_writev", SYS_process_vm_writev, "1 << 30, 0, 0, 0, 0, 0"},
    {"pidfd_getfd", SYS_pidfd_getfd, "(1 << 32) - 1, 0, 0"},
    {"kcmp", SYS_kcmp, "1 << 30, 1 << 30, 0, 0, 0"},
    {"open_by_handle_at", SYS_open_by_handle_at, "(1 << 32) - 1, 0, 0"},
    {"add_key", SYS_add_key, "b'nonexistent', b'x', b'x', 1, 0"},
    {"request_key", SYS_request_key, "b'nonexistent', b'x', 0, 0"},
    {"keyctl", SYS_keyctl, "9999, 0, 0, 0, 0"},
    {"bpf", SYS_bpf, "9999, 0, 0"},
    {"perf_event_open", SYS_perf_event_open, "0, 0, 0, (1 << 32) - 1, 0"},
    {"userfaultfd", SYS_userfaultfd, "0x7fff0000"},
    {"syslog", SYS_syslog, "99, 0, 0"},
    {"reboot", SYS_reboot, "0, 0, 0, 0"},
    {"clock_settime", SYS_clock_settime, "99999, 0"},
    {"settimeofday", SYS_settimeofday, "1, 0"},
    {"swapon", SYS_swapon, "b'/nonexistent', 0"},
    {"acct", SYS_acct, "b'/nonexistent/file'"},
};

TEST_F(ShadowBypass, SystemCallsThatLeadOutAreRefused) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  for (const Call& call : kRefused) {
    const std::string expression = fmt::format("call({}, {})", call.number, call.arguments);
    EXPECT_EQ(inside(expression), "EPERM") << call.name;
    EXPECT_NE(outside(expression), "EPERM") << call.name << " tells nothing";
  }
  // Not to be tried outside, or not there on every machine.
  for (const auto& [name, number] : {std::pair{"init_module", SYS_init_module},
                                     {"finit_module", SYS_finit_module},
                                     {"delete_module", SYS_delete_module},
                                     {"kexec_load", SYS_kexec_load},
                                     {"swapoff", SYS_swapoff},
                                     {"quotactl", SYS_quotactl},
                                     {"vhangup", SYS_vhangup}})
    EXPECT_EQ(inside(fmt::format("call({}, 0, 0, 0, 0)", number)), "EPERM") << name;
  EXPECT_EQ(inside(fmt::format("call({}, 0, 0)", SYS_clone3)), "ENOSYS");
  EXPECT_EQ(inside("in_child(lambda: 'a child')"), "a child");
}

TEST_F(ShadowBypass, EveryProcessInItIsFiltered) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  for (const pid_t pid : discovery::process_tree("/proc", shadow_->pid())) {
    const std::string status = read_file(fmt::format("/proc/{}/status", pid)).value_or("");
    EXPECT_EQ(field_of(status, "Seccomp"), "2") << pid;
    EXPECT_EQ(field_of(status, "NoNewPrivs"), "1") << pid;
  }
}

TEST_F(ShadowBypass, NewNamespacesAreRefused) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  for (const int kind : {CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWCGROUP,
                         CLONE_NEWUSER, CLONE_NEWUSER | CLONE_NEWNET}) {
    const std::string expression = fmt::format("in_child(lambda: call({}, {}))", SYS_unshare, kind);
    EXPECT_EQ(inside(expression), "EPERM") << std::hex << kind;
    if (kind != CLONE_NEWUSER) {
      EXPECT_NE(outside(expression), "EPERM") << std::hex << kind;
    }
    EXPECT_EQ(inside(fmt::format("call({}, {}, 0, 0, 0, 0)", SYS_clone, kind | SIGCHLD)), "EPERM") << std::hex << kind;
  }
  EXPECT_EQ(inside(fmt::format("in_child(lambda: call({}, {}))", SYS_unshare, CLONE_FILES | CLONE_FS)), "allowed");
}

TEST_F(ShadowBypass, SocketsBelowTheNetworkAreRefused) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  EXPECT_EQ(inside(fmt::format("call({}, {}, {}, 0)", SYS_socket, AF_PACKET, SOCK_RAW)), "EPERM");
  EXPECT_EQ(inside(fmt::format("call({}, {}, {}, 0)", SYS_socket, AF_VSOCK, SOCK_STREAM)), "EPERM");
  EXPECT_EQ(inside(fmt::format("call({}, {}, {}, 1)", SYS_socket, AF_INET, SOCK_RAW)), "EPERM");
  EXPECT_EQ(inside(fmt::format("call({}, {}, {}, 58)", SYS_socket, AF_INET6, SOCK_RAW)), "EPERM");
  EXPECT_EQ(outside(fmt::format("call({}, {}, {}, 1)", SYS_socket, AF_INET, SOCK_RAW)), "allowed");
}

TEST_F(ShadowBypass, ItsNetworkCannotBeChanged) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  for (const int change : {16 /* RTM_NEWLINK */, 17 /* RTM_DELLINK */, 20 /* RTM_NEWADDR */, 24 /* RTM_NEWROUTE */})
    EXPECT_EQ(inside(fmt::format("netlink({})", change)), "EPERM") << change;
  EXPECT_NE(outside("netlink(17)"), "EPERM");
}

TEST_F(ShadowBypass, TheClockStaysAsItIsAndMayBeAsked) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  const std::string adjust =
      "(lambda b: call({}, ctypes.addressof(b)))(ctypes.create_string_buffer(struct.pack('=I', {}), 512))";
  EXPECT_EQ(inside(fmt::format(fmt::runtime(adjust), SYS_adjtimex, 1)), "EPERM");
  EXPECT_EQ(inside(fmt::format(fmt::runtime(adjust), SYS_adjtimex, 0)), "allowed");
}

TEST_F(ShadowBypass, DeviceNodesCannotBeMade) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  for (const char* kind : {"stat.S_IFCHR", "stat.S_IFBLK"})
    EXPECT_EQ(inside(fmt::format("attempt(os.mknod, '/tmp/node', {} | 0o600, os.makedev(1, 1))", kind)),
              "PermissionError 1");
  EXPECT_EQ(inside("attempt(os.mknod, '/tmp/pipe', stat.S_IFIFO | 0o600)"), "None");
  EXPECT_EQ(inside("sorted(n for n in os.listdir('/dev') if stat.S_ISBLK(os.stat('/dev/' + n).st_mode))"), "[]");
}

TEST_F(ShadowBypass, TheKernelsFilesAreReadOnlyOrMasked) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  for (const char* file : {"/proc/sys/kernel/panic", "/proc/sys/vm/drop_caches", "/proc/sys/net/ipv4/ip_forward",
                           "/proc/sysrq-trigger", "/sys/power/state", "/sys/kernel/mm/transparent_hugepage/enabled"})
    EXPECT_THAT(inside(fmt::format("attempt(os.open, '{}', os.O_WRONLY)", file)),
                ::testing::AnyOf("OSError 30", "FileNotFoundError 2"))
        << file;
  EXPECT_EQ(inside("attempt(os.open, '/proc/sys/vm/drop_caches', os.O_WRONLY)"), "OSError 30");
  for (const char* file : {"/proc/kcore", "/proc/keys", "/proc/timer_list"})
    EXPECT_EQ(inside(fmt::format("open('{0}').read() if os.path.exists('{0}') else ''", file)), "") << file;
}

TEST_F(ShadowBypass, ItCannotLeaveItsCgroup) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  EXPECT_EQ(
      inside("sorted(set(attempt(os.open, d + '/cgroup.procs', os.O_WRONLY) for d, _, f in os.walk('/sys/fs/cgroup')"
             " if 'cgroup.procs' in f))"),
      "['OSError 30']");
}

TEST_F(ShadowBypass, NoProcessOfTheHostCanBeSeenOrSignalled) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  for (const pid_t pid : {instance_.pid, ::getpid()}) {
    EXPECT_EQ(inside(fmt::format("os.path.exists('/proc/{}')", pid)), "False");
    EXPECT_EQ(inside(fmt::format("attempt(os.kill, {}, 0)", pid)), "ProcessLookupError 3");
  }
}

TEST_F(ShadowBypass, ItsInitCannotBeStoppedOrRead) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  EXPECT_EQ(inside("attempt(os.kill, 1, signal.SIGSTOP)"), "None");
  EXPECT_EQ(inside("attempt(os.kill, 1, signal.SIGKILL)"), "None");
  EXPECT_EQ(inside("'alive'"), "alive");
  EXPECT_THAT(field_of(read_file(fmt::format("/proc/{}/status", shadow_->pid())).value_or(""), "State"),
              Not(HasSubstr("T")));
  for (const char* file : {"mem", "fd/0", "root", "environ"})
    EXPECT_EQ(inside(fmt::format("attempt(os.open, '/proc/1/{}', os.O_RDONLY)", file)), "PermissionError 13") << file;
  EXPECT_THAT(inside("attempt(os.open, '/.gnomon-init', os.O_WRONLY)"), HasSubstr("OSError"));
}

class UnixListener {
 public:
  explicit UnixListener(const std::string& name) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), length), 0) << name;
    EXPECT_EQ(::listen(socket_.get(), 8), 0);
  }

 private:
  const UniqueFd socket_;
};

TEST_F(ShadowBypass, TheHostsLocalSocketsLeadNowhere) {
  const std::string path = files_.path() + "/socket", abstract = fmt::format("gnomon-test-{}", ::getpid());
  const UnixListener by_path(path), by_name(std::string(1, '\0') + abstract);
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  for (const std::string& address : {"'" + path + "'", "'\\0" + abstract + "'"}) {
    EXPECT_EQ(outside(fmt::format("connect({})", address)), "None");
    EXPECT_EQ(inside(fmt::format("connect({})", address)), "ConnectionRefusedError 111");
  }
}

TEST_F(ShadowBypass, TheHostsPipesLeadNowhere) {
  const std::string path = files_.path() + "/pipe";
  ASSERT_EQ(::mkfifo(path.c_str(), 0666), 0);
  const UniqueFd reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  const std::string open = fmt::format("attempt(os.open, '{}', os.O_WRONLY | os.O_NONBLOCK)", path);
  EXPECT_EQ(inside(open), "OSError 6");  // nobody reads there
  EXPECT_THAT(outside(open), Not(HasSubstr("Error")));
}

TEST_F(ShadowBypass, WhatItWritesIsBounded) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  EXPECT_EQ(inside("fill('/usr/filling')"), "('ENOSPC', True)");
  EXPECT_EQ(inside("fill('/tmp/filling')"), "('ENOSPC', True)");
  EXPECT_EQ(inside("'alive'"), "alive");
}

TEST_F(ShadowBypass, WhatItAllocatesKillsItAlone) {
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  const std::string before = read_file(fmt::format("/proc/{}/cgroup", instance_.pid)).value_or("");
  EXPECT_THAT(inside("len(bytearray(b'x') * (1 << 29))"), HasSubstr("no answer"));
  pollfd end{shadow_->pidfd(), POLLIN, 0};
  EXPECT_EQ(::poll(&end, 1, 20'000), 1) << "the shadow is alive";
  EXPECT_EQ(outside("'alive'"), "alive");
  EXPECT_EQ(read_file(fmt::format("/proc/{}/cgroup", instance_.pid)), before);
}

// The kernel counts a user's processes wherever they are: production's share must stay.
TEST_F(ShadowBypass, AForkBombLeavesProductionsUserRoom) {
  constexpr uid_t kUser = 61'234;
  constexpr rlim_t kProcesses = 200;
  service_.reset();
  port_ = free_port();
  start_service({"/usr/bin/python3", script_, "0.0.0.0", std::to_string(port_)}, "/", [] {
    const rlimit limit{kProcesses, kProcesses};
    if (::setrlimit(RLIMIT_NPROC, &limit) != 0 || ::setgid(kUser) != 0 || ::setuid(kUser) != 0) ::_exit(98);
  });
  ASSERT_NO_FATAL_FAILURE(start_shadow(Bytes{512u << 20}));
  EXPECT_EQ(inside("bomb(5000)"), "EAGAIN");
  const auto cgroup = discovery::cgroup_of("/proc", kCgroupRoot, shadow_->pid(), "pids");
  ASSERT_TRUE(cgroup);
  const int most = std::stoi(read_file(cgroup->directory() + "/pids.max").value_or("0"));
  EXPECT_EQ(std::stoi(read_file(cgroup->directory() + "/pids.current").value_or("0")), most);
  EXPECT_LE(most, static_cast<int>(kProcesses) / 2);
  EXPECT_EQ(outside("in_child(lambda: 'a child')"), "a child");
}

TEST_F(ShadowBypass, AUserWithoutRoomForACopyIsRefusedWithTheRemedy) {
  constexpr uid_t kUser = 61'235;
  service_.reset();
  port_ = free_port();
  start_service({"/usr/bin/python3", script_, "0.0.0.0", std::to_string(port_)}, "/", [] {
    const rlimit limit{20, 20};
    if (::setrlimit(RLIMIT_NPROC, &limit) != 0 || ::setgid(kUser) != 0 || ::setuid(kUser) != 0) ::_exit(98);
  });
  const auto shadow = runtime_->start({"s1", instance_, MilliCpu{250}, Bytes{128u << 20}});
  EXPECT_EQ(shadow.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(shadow.status().message()), HasSubstr("LimitNPROC"));
}

}  // namespace
}  // namespace gnomon::shadow
