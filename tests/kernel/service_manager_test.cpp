// Shadows of services as systemd runs them: a socket that it keeps and hands over, a user for the time being, a cgroup
// of its own, private files, few rights. Here as systemd does it; in a virtual machine by a systemd.

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "agent/discovery/procfs.h"
#include "agent/shadow/cgroups.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/shadow_fixture.h"

namespace gnomon::shadow {
namespace {

namespace fs = std::filesystem;
using discovery::read_file;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kPython[] = "/usr/bin/python3", kSystemd[] = "/lib/systemd/systemd";

// PORT ENVIRONMENT-FILE COMMANDS-CGROUPS… -- COMMAND…: starts it as systemd would, and keeps the socket.
constexpr char kAsSystemdDoes[] = R"(
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
port, environment_file, split = int(sys.argv[1]), sys.argv[2], sys.argv.index('--')
cgroups, command = sys.argv[3:split], sys.argv[split + 1:]
def must(result):
    if result != 0: raise OSError(ctypes.get_errno(), 'as systemd does')
open('/proc/self/comm', 'w').write('systemd')
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('0.0.0.0', port))
s.listen(64)
if os.fork() == 0:
    for cgroup in cgroups: open(cgroup + '/cgroup.procs', 'w').write('0')
    must(libc.unshare(0x20000))
    must(libc.mount(None, b'/', None, (1 << 19) | 0x4000, None))
    must(libc.mount(b'tmpfs', b'/tmp', b'tmpfs', 0, b'mode=1777'))
    open('/tmp/of-the-unit', 'w').close()
    for capability in range(int(open('/proc/sys/kernel/cap_last_cap').read()) + 1):
        if capability != 10: must(libc.prctl(24, capability, 0, 0, 0))
    os.setgroups([])
    os.setgid(64999)
    os.setuid(64999)
    must(libc.prctl(38, 1, 0, 0, 0))
    environment = dict(line.strip().split('=', 1) for line in open(environment_file))
    environment.update(PATH='/usr/bin', LISTEN_FDS='1', LISTEN_PID=str(os.getpid()), INVOCATION_ID='1')
    os.dup2(s.fileno(), 3)
    os.set_inheritable(3, True)
    os.chdir('/')
    os.execve(command[0], command, environment)
os.wait()
)";

class ShadowOfUnit : public EvalShadow {
 protected:
  void SetUp() override {
    EvalShadow::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    service_.reset();
    // Not in /tmp, which such a service does not share.
    script_ = unit_files_.file("eval.py", kEvalServer);
    environment_ = unit_files_.file("environment", "FROM_FILE=of the unit\n");
  }
  void TearDown() override {
    EvalShadow::TearDown();
    shadow_.reset();
    service_.reset();
    EXPECT_TRUE(remove_cgroups(cgroups_).ok());
    for (const std::string& slice : slices_) ::rmdir(slice.c_str());
  }

  std::string outside(const std::string& expression) { return evaluate(-1, "127.0.0.1", port_, expression); }

  // Until the service is there its manager alone holds the socket.
  void find_unit() {
    for (int attempt = 0; attempt < 900; ++attempt) {
      auto found = discovery::find_instance("/proc", kCgroupRoot, port_, std::nullopt);
      if (found.ok() && found->command.starts_with("python") &&
          read_file(fmt::format("/proc/{}/cgroup", found->pid)).value_or("").find("/system.slice/") !=
              std::string::npos) {
        instance_ = *std::move(found);
        return;
      }
      ::usleep(100'000);
    }
    FAIL() << "the unit does not serve";
  }

  void expect_a_shadow_like_the_unit() {
    ASSERT_NO_FATAL_FAILURE(find_unit());
    const std::string cgroups = fmt::format("/proc/{}/cgroup", instance_.pid), before = read_file(cgroups).value_or("");
    ASSERT_NO_FATAL_FAILURE(start_shadow());
    EXPECT_EQ(inside("os.environ['FROM_FILE'], os.environ['LISTEN_FDS'], int(os.environ['LISTEN_PID']) == os.getpid()"),
              "('of the unit', '1', True)");
    EXPECT_EQ(inside("'INVOCATION_ID' in os.environ"), "False") << "what addresses its supervisor is left out";
    for (const char* expression :
         {"os.getresuid()", "os.getresgid()", "os.getgroups()", "os.getcwd()", "sys.argv",
          "[l for l in open('/proc/self/status') if l.startswith(('CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs'))]"})
      EXPECT_EQ(inside(expression), outside(expression)) << expression;
    EXPECT_NE(inside("os.getuid()"), "0");
    EXPECT_THAT(inside("open('/proc/self/status').read().split('NoNewPrivs:')[1]"), StartsWith("\t1"));
    const std::string of_production = outside("sorted(os.listdir('/tmp'))");
    EXPECT_THAT(of_production, HasSubstr("of-the-unit"));
    EXPECT_EQ(inside("os.listdir('/tmp')"), "[]");
    EXPECT_EQ(inside("open('/tmp/own', 'w').write('x')"), "1");
    EXPECT_EQ(outside("sorted(os.listdir('/tmp'))"), of_production);
    EXPECT_EQ(read_file(cgroups).value_or(""), before);
    shadow_.reset();
    EXPECT_EQ(outside("6 * 7"), "42") << "the unit runs on";
  }

  TemporaryDirectory unit_files_{"/var"};
  std::string environment_;
  std::vector<std::string> cgroups_, slices_;  // that the test has made
};

TEST_F(ShadowOfUnit, StartedAsSystemdDoesIt) {
  const std::string own = fmt::format("/system.slice/gnomon-test-{}.service", ::getpid());
  for (const Hierarchy& hierarchy : hierarchies(kCgroupRoot)) {
    if (hierarchy.mount.ends_with("/cpuset")) continue;  // v1's takes none until it is given processors
    const std::string slice = hierarchy.mount + "/system.slice";
    if (fs::create_directory(slice)) slices_.push_back(slice);
    fs::create_directory(hierarchy.mount + own);
    cgroups_.push_back(hierarchy.mount + own);
  }
  std::vector<std::string> argv = {kPython, unit_files_.file("as_systemd.py", kAsSystemdDoes), std::to_string(port_),
                                   environment_};
  argv.insert(argv.end(), cgroups_.begin(), cgroups_.end());
  for (const std::string& word : {std::string("--"), std::string(kPython), script_, std::string("promised")})
    argv.push_back(word);
  service_ = std::make_unique<Service>(argv, "/");
  expect_a_shadow_like_the_unit();
}

TEST_F(ShadowOfUnit, StartedBySystemd) {
  if (::getenv("GNOMON_VM_KERNEL") == nullptr)
    GTEST_SKIP() << "a systemd is started in a virtual machine alone (scripts/vmtest): it takes the machine's cgroups";
  if (::access(kSystemd, X_OK) != 0) GTEST_SKIP() << kSystemd << " is missing";
  const std::string units = "/run/systemd/system";
  fs::create_directories(units);
  const std::string begin = "[Unit]\nDefaultDependencies=no\n";
  std::ofstream(units + "/web.socket") << begin << "[Socket]\nListenStream=0.0.0.0:" << port_ << "\n";
  std::ofstream(units + "/web.service")
      << begin
      << fmt::format(
             "[Service]\nDynamicUser=yes\nNoNewPrivileges=yes\nCapabilityBoundingSet=CAP_NET_BIND_SERVICE\n"
             "EnvironmentFile={}\nExecStartPre=/usr/bin/touch /tmp/of-the-unit\nExecStart={} {} promised\n",
             environment_, kPython, script_);
  std::ofstream(units + "/gnomon-test.target") << begin << "Requires=web.socket web.service\nAfter=web.socket\n";
  service_ = std::make_unique<Service>(
      std::vector<std::string>{"/usr/bin/env", "container=test", "/usr/bin/unshare", "--fork", "--pid", "--mount",
                               "--mount-proc", "--kill-child", kSystemd, "--system", "--unit=gnomon-test.target"},
      "/");
  expect_a_shadow_like_the_unit();
}

}  // namespace
}  // namespace gnomon::shadow
