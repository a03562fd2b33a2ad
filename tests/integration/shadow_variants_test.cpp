// Services that were started in unusual ways: their shadows are started alike.

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <grp.h>
#include <filesystem>

#include "agent/discovery/procfs.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/shadow_fixture.h"

namespace gnomon::shadow {
namespace {

namespace fs = std::filesystem;
using discovery::read_file;
using ::testing::HasSubstr;
using ::testing::Not;

// A server over a listening socket that it is given: PROGRAM DESCRIPTOR-OF-THE-LISTENER…
constexpr char kInheritingServer[] = R"(
import os, socket, sys, http.server
number = int(os.environ['HOW'].split('=')[-1])
class Server(Base):
    def __init__(self):
        http.server.HTTPServer.__init__(self, ('', 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.socket(fileno=number)
Server().serve_forever()
)";

// Runs argv after having opened a listener on `port` as descriptor `number`, as a service manager does.
constexpr char kManager[] = R"(
import os, socket, sys
port, number, promise = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == 'promise'
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('0.0.0.0', port))
s.listen(37)
u = socket.socket(socket.AF_UNIX)
u.bind('\0gnomon-test-%d' % port)
u.listen(1)
a, b = os.dup2(s.fileno(), 200), os.dup2(u.fileno(), 201)
os.dup2(a, number)
if promise:
    os.dup2(b, number + 1)
    os.environ.update(LISTEN_FDS='2', LISTEN_FDNAMES='web:control', LISTEN_PID=str(os.getpid()))
os.environ.update(NOTIFY_SOCKET='/run/systemd/notify', RUNTIME_DIRECTORY='/run/gnomon-test', INVOCATION_ID='1')
os.closerange(202, 210)
os.execv(sys.argv[4], sys.argv[4:])
)";

class ShadowVariants : public EvalShadow {
 protected:
  // The usual server, over the descriptor in the environment's HOW.
  std::string inheriting_server() {
    std::string server = kEvalServer;
    server = server.substr(0, server.rfind("Server(("));
    const std::string rename = "class Server(";
    server.replace(server.find(rename), rename.size(), "class Base(");
    return files_.file("inheriting.py", server + kInheritingServer);
  }

  void restart(
      const std::vector<std::string>& argv, const std::function<void()>& before_exec = [] {}) {
    service_.reset();
    start_service(argv, "/", before_exec);
  }
};

constexpr char kAttempt[] =
    "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    "def unshare():\n    if libc.unshare(0x20000) != 0: raise OSError(ctypes.get_errno(), '')\n";

constexpr char kPython[] = "/usr/bin/python3";

TEST_F(ShadowVariants, PromisedSocketsAreThereUnderTheSameNumbers) {
  port_ = free_port();
  restart({kPython, files_.file("manager.py", kManager), std::to_string(port_), "3", "promise", kPython,
           inheriting_server(), "x"},
          [] { ::setenv("HOW", "number=3", 1); });
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  EXPECT_EQ(inside("os.environ['LISTEN_FDS'], os.environ['LISTEN_FDNAMES']"), "('2', 'web:control')");
  EXPECT_EQ(inside("int(os.environ['LISTEN_PID']) == os.getpid()"), "True");
  EXPECT_EQ(inside(fmt::format("socket.socket(fileno=os.dup(3)).getsockname()[1] == {}", port_)), "True");
  EXPECT_EQ(inside("(lambda s: (s.family.name, s.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)))"
                   "(socket.socket(fileno=os.dup(4)))"),
            "('AF_UNIX', 1)");
  EXPECT_EQ(inside("[v for v in ('NOTIFY_SOCKET', 'INVOCATION_ID') if v in os.environ]"), "[]");
  EXPECT_EQ(inside("os.environ['RUNTIME_DIRECTORY']"), "/run/gnomon-test");
  EXPECT_EQ(evaluate(-1, "127.0.0.1", port_, "socket.gethostname()"), inside("socket.gethostname()"));
}

TEST_F(ShadowVariants, ASocketThatAnArgumentNamesIsThere) {
  port_ = free_port();
  restart({kPython, files_.file("manager.py", kManager), std::to_string(port_), "7", "no", kPython, inheriting_server(),
           "--fd", "7"},
          [] { ::setenv("HOW", "number=7", 1); });
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  EXPECT_EQ(inside("'LISTEN_FDS' in os.environ, sys.argv[1:]"), "(False, ['--fd', '7'])");
}

TEST_F(ShadowVariants, AListenerAsStandardInputIsThere) {
  port_ = free_port();
  restart({kPython, files_.file("manager.py", kManager), std::to_string(port_), "0", "no", kPython, inheriting_server(),
           "x"},
          [] { ::setenv("HOW", "number=0", 1); });
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  EXPECT_EQ(inside("'production'"), "production");
}

TEST_F(ShadowVariants, AnExecutableThatWasReplacedRunsAsItWas) {
  const std::string own = files_.path() + "/python";
  fs::copy_file(fs::canonical(kPython), own);
  port_ = free_port();
  restart({own, script_, "0.0.0.0", std::to_string(port_)});
  fs::remove(own);
  files_.file("python", "the next release");
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  EXPECT_EQ(inside("os.readlink('/proc/self/exe')"), own);
  EXPECT_EQ(inside("len(open(sys.executable, 'rb').read()) > 100000"), "True");
  EXPECT_EQ(read_file(own), "the next release");
}

TEST_F(ShadowVariants, AnExecutableThatNeverHadAPathRuns) {
  port_ = free_port();
  const std::string loader = files_.file("loader.py", R"(
import os, sys
fd = os.memfd_create('service')
os.sendfile(fd, os.open(sys.argv[1], os.O_RDONLY), 0, os.stat(sys.argv[1]).st_size)
os.execve('/proc/self/fd/%d' % fd, ['service'] + sys.argv[2:], {'PYTHONHOME': '/usr', 'PATH': '/usr/bin'})
)");
  restart({kPython, loader, fs::canonical(kPython), script_, "0.0.0.0", std::to_string(port_)});
  ASSERT_THAT(discovery::read_link(fmt::format("/proc/{}/exe", instance_.pid)).value_or(""), HasSubstr("/memfd:"));
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  EXPECT_EQ(inside("os.readlink('/proc/self/exe')"), "/.gnomon-executable");
}

TEST_F(ShadowVariants, WhoItIsAndWhatItMayIsTheSame) {
  port_ = free_port();
  const TemporaryDirectory home("/var");
  service_.reset();
  start_service({kPython, script_, "0.0.0.0", std::to_string(port_)}, home.path(), [] {
    const gid_t groups[] = {7, 100, 61'000};
    const rlimit files{321, 654};
    ::umask(027);
    ::setenv("SETTING", "of the service = x", 1);
    ::unsetenv("LISTEN_FDS");
    if (::setrlimit(RLIMIT_NOFILE, &files) != 0 || ::setgroups(3, groups) != 0 || ::setgid(61'001) != 0 ||
        ::setuid(61'002) != 0)
      ::_exit(98);
  });
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  for (const char* expression :
       {"os.getresuid()", "os.getresgid()", "sorted(os.getgroups())", "os.getcwd()", "os.environ['SETTING']",
        "sys.argv", "__import__('resource').getrlimit(7)", "(lambda m: (os.umask(m), m))(os.umask(0o27))",
        "[l for l in open('/proc/self/status') if l.startswith(('CapEff', 'CapPrm', 'CapInh', 'CapAmb'))]"})
    EXPECT_EQ(inside(expression), evaluate(-1, "127.0.0.1", port_, expression)) << expression;
  EXPECT_EQ(inside("os.getresuid(), sorted(os.getgroups())"), "((61002, 61002, 61002), [7, 100, 61000])");
}

// A prefork server, found by its port: the shadow starts from the first process, and forks workers of its own.
TEST_F(ShadowVariants, APreforkServerIsStartedFromItsFirstProcess) {
  std::string script = kEvalServer;
  script = script.substr(0, script.rfind("Server((")) +
           "server = Server((sys.argv[1], int(sys.argv[2])), Handler)\n"
           "for worker in range(2):\n"
           "    if os.fork() == 0: server.serve_forever()\n"
           "os.waitpid(-1, 0)\n";
  const std::string prefork = files_.file("prefork.py", script);
  port_ = free_port();
  restart({kPython, prefork, "0.0.0.0", std::to_string(port_)});
  EXPECT_EQ(instance_.pid, service_->pid());
  ASSERT_NO_FATAL_FAILURE(start_shadow());
  EXPECT_EQ(inside("open('/proc/%d/stat' % os.getppid()).read().split()[3]"), "1");  // a worker of the service
  EXPECT_EQ(inside("len([p for p in os.listdir('/proc') if p.isdigit()])"), "4");
}

// The next release in a bundle is started in the place of a copy, within the shadow's own walls.
TEST_F(ShadowVariants, ABundleIsStartedInPlaceOfACopy) {
  const TemporaryDirectory bundle;
  const std::string root = bundle.path() + "/rootfs";
  for (const char* directory : {"usr", "etc", "service", "proc"}) fs::create_directories(root + "/" + directory);
  for (const char* link : {"bin", "lib", "lib64"})
    fs::create_directory_symlink(std::string("usr/") + link, root + "/" + link);
  bundle.file("rootfs/service/eval.py", std::string("release = 'the next one'\n") + kAttempt + kEvalServer);
  bundle.file("data/value", "of a mount");
  bundle.file("config.json", fmt::format(R"({{"ociVersion":"1.0.2","hostname":"next","process":{{
      "user":{{"uid":65534,"gid":65534,"additionalGids":[7]}},"cwd":"/service","env":["PATH=/usr/bin","MODE=next"],
      "args":["python3","/service/eval.py","0.0.0.0","{}"],"capabilities":{{"bounding":["CAP_SYS_ADMIN","CAP_CHOWN"],
      "effective":["CAP_SYS_ADMIN","CAP_CHOWN"]}}}},"root":{{"path":"rootfs"}},
      "mounts":[{{"destination":"/proc","type":"proc","source":"proc"}},{{"destination":"/scratch","type":"tmpfs"}},
      {{"destination":"/usr","type":"bind","source":"/usr","options":["rbind","ro"]}},
      {{"destination":"/data","type":"bind","source":"data","options":["bind"]}}],
      "hooks":{{"prestart":[{{"path":"/bin/touch","args":["touch","{}/hooked"]}}]}},
      "linux":{{"namespaces":[],"cgroupsPath":"/elsewhere"}}}})",
                                         port_, bundle.path()));
  auto shadow = runtime_->start(
      {.id = "s1", .instance = instance_, .cpu = MilliCpu{250}, .memory = Bytes{128u << 20}, .bundle = bundle.path()});
  ASSERT_TRUE(shadow.ok()) << shadow.status();
  shadow_ = std::move(*shadow);
  const auto ready = shadow_->wait_ready({kReadyTimeout});
  ASSERT_TRUE(ready.ok()) << ready.status();
  EXPECT_EQ(inside("release, os.getcwd(), os.environ['MODE'], socket.gethostname(), os.getuid(), os.getgroups()"),
            "('the next one', '/service', 'next', 'next', 65534, [7])");
  EXPECT_EQ(inside("open('/data/value').read(), os.path.exists('/etc/hostname')"), "('of a mount', False)");
  EXPECT_EQ(inside("open('/scratch/x', 'w').write('xy')"), "2");
  EXPECT_EQ(inside("attempt(unshare)"), "PermissionError 1");
  EXPECT_THAT(inside("open('/proc/self/status').read()"), HasSubstr("CapBnd:\t0000000000000001"));
  EXPECT_THAT(inside("open('/proc/self/status').read()"), HasSubstr("Seccomp:\t2"));
  EXPECT_FALSE(fs::exists(bundle.path() + "/hooked"));
  EXPECT_NE(discovery::namespace_of("/proc", shadow_->pid(), "net"), instance_.netns);
}

TEST_F(ShadowVariants, ABundleThatCannotBeStartedIsAnErrorThatNamesTheField) {
  const TemporaryDirectory bundle;
  bundle.file("config.json", R"({"root":{"path":"rootfs"},"process":{"args":[]}})");
  const auto shadow = runtime_->start(
      {.id = "s1", .instance = instance_, .cpu = MilliCpu{250}, .memory = Bytes{128u << 20}, .bundle = bundle.path()});
  EXPECT_EQ(shadow.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(shadow.status().message()), HasSubstr("process.args: is required"));
  EXPECT_THAT(std::string(shadow.status().message()), HasSubstr(bundle.path() + "/config.json"));
}

}  // namespace
}  // namespace gnomon::shadow
