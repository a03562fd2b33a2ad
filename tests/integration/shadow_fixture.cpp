#include "tests/integration/shadow_fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "agent/shadow/namespaces.h"
#include "agent/shadow/oci_runtime.h"
#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::shadow {

const char kEvalServer[] = R"(
import http.server, os, socket, sys, urllib.parse
def attempt(f, *a):
    try: return f(*a)
    except OSError as e: return type(e).__name__ + ' ' + str(e.errno)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind, _, text = self.path.partition('?')
        body = 'production'
        if kind == '/eval':
            try: body = str(eval(urllib.parse.unquote(text)))
            except Exception as e: body = repr(e)
        body = body.encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
class Server(http.server.HTTPServer):
    address_family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
class Promised(http.server.HTTPServer):
    def __init__(self):
        super().__init__(('', 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.socket(fileno=3)
if sys.argv[1] == 'promised': Promised().serve_forever()
Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
)";

TemporaryDirectory::TemporaryDirectory(const std::string& parent) {
  std::string pattern = parent + "/gnomon-test-XXXXXX";
  if (!::mkdtemp(pattern.data())) throw std::runtime_error("mkdtemp");
  path_ = pattern;
  std::filesystem::permissions(path_, std::filesystem::perms(0755));
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

std::string TemporaryDirectory::file(const std::string& name, const std::string& text) const {
  std::string path = path_ + "/" + name;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << text;
  return path;
}

Service::Service(const std::vector<std::string>& argv, const std::string& directory,
                 const std::function<void()>& before_exec) {
  pid_ = ::fork();
  if (pid_ != 0) return;
  ::setpgid(0, 0);
  before_exec();
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // a test that is broken off takes it along; after what changes the user
  if (::chdir(directory.c_str()) != 0) ::_exit(99);
  const int null = ::open("/dev/null", O_RDWR);
  for (int fd : {0, 1, 2}) ::dup2(null, fd);
  ::close_range(3, ~0u, 0);
  std::vector<char*> words;
  for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words[0], words.data());
  ::_exit(99);
}

Service::~Service() {
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::uint16_t free_port() {
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  socklen_t length = sizeof address;
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
  return ntohs(address.sin_port);
}

absl::StatusOr<discovery::Instance> wait_for_instance(std::uint16_t port) {
  for (int attempt = 0;; ++attempt) {
    auto instance = discovery::find_instance("/proc", "/sys/fs/cgroup", port, std::nullopt);
    if (instance.ok() || attempt == 400) return instance;
    ::poll(nullptr, 0, 50);
  }
}

absl::StatusOr<std::string> http_get(int netns, const std::string& address, std::uint16_t port,
                                     const std::string& target) {
  std::string answer;
  const auto ask = [&]() -> absl::Status {
    const bool v6 = address.find(':') != std::string::npos;
    sockaddr_in6 to6{};
    sockaddr_in to4{};
    to6.sin6_family = AF_INET6;
    to4.sin_family = AF_INET;
    to6.sin6_port = to4.sin_port = htons(port);
    void* where = v6 ? static_cast<void*>(&to6.sin6_addr) : static_cast<void*>(&to4.sin_addr);
    if (::inet_pton(v6 ? AF_INET6 : AF_INET, address.c_str(), where) != 1) return absl::InvalidArgumentError(address);
    const UniqueFd socket(::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{10, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const sockaddr* to = v6 ? reinterpret_cast<sockaddr*>(&to6) : reinterpret_cast<sockaddr*>(&to4);
    if (::connect(socket.get(), to, v6 ? sizeof to6 : sizeof to4) != 0) return errno_status("connect");
    const std::string request = fmt::format("GET {} HTTP/1.0\r\nHost: test\r\n\r\n", target);
    if (::send(socket.get(), request.data(), request.size(), 0) < 0) return errno_status("send");
    char buffer[4096];
    ssize_t length = 0;
    while ((length = ::recv(socket.get(), buffer, sizeof buffer, 0)) > 0)
      answer.append(buffer, static_cast<std::size_t>(length));
    return length < 0 ? errno_status("recv") : absl::OkStatus();
  };
  RETURN_IF_ERROR(netns < 0 ? ask() : run_inside(netns, CLONE_NEWNET, ask));
  const std::size_t body = answer.find("\r\n\r\n");
  if (body == std::string::npos || answer.substr(0, 15).find(" 200 ") == std::string::npos)
    return absl::InternalError(answer.substr(0, 200));
  return answer.substr(body + 4);
}

std::string evaluate(const Shadow& shadow, const std::string& expression) {
  return evaluate(shadow.replay_netns(), shadow.address(), shadow.port(), expression);
}

std::string evaluate(int netns, const std::string& address, std::uint16_t port, const std::string& expression) {
  std::string target = "/eval?";
  for (unsigned char c : expression) target += fmt::format("%{:02x}", c);
  auto value = http_get(netns, address, port, target);
  return value.ok() ? *value : "no answer: " + std::string(value.status().message());
}

std::string missing_for_shadows() {
  if (::geteuid() != 0) return "needs root";
  if (const auto runc = find_runc(); !runc.ok()) return std::string(runc.status().message());
  for (const char* program : {"/usr/bin/python3"})
    if (::access(program, X_OK) != 0) return fmt::format("{} is missing", program);
  return "";
}

void ShadowTest::SetUp() {
  if (const std::string missing = missing_for_shadows(); !missing.empty()) GTEST_SKIP() << missing;
}

void ShadowTest::TearDown() {
  if (!HasFailure() || !shadow_) return;
  for (const std::string& line : shadow_->log_tail()) std::cerr << "shadow: " << line << "\n";
}

void ShadowTest::find_service(std::uint16_t port) {
  const auto instance = wait_for_instance(port);
  ASSERT_TRUE(instance.ok()) << instance.status();
  instance_ = *instance;
}

void ShadowTest::make_runtime() {
  auto runtime = Runtime::create(state_.path(), kTestBudget);
  ASSERT_TRUE(runtime.ok()) << runtime.status();
  runtime_ = std::move(*runtime);
}

void ShadowTest::begin_shadow(const Spec& spec) {
  if (!runtime_) make_runtime();
  if (!runtime_) return;
  auto shadow = runtime_->start(spec);
  ASSERT_TRUE(shadow.ok()) << shadow.status();
  shadow_ = std::move(*shadow);
}

void ShadowTest::start_shadow(const Spec& spec, Nanos timeout) {
  ASSERT_NO_FATAL_FAILURE(begin_shadow(spec));
  const auto ready = shadow_->wait_ready({timeout});
  ASSERT_TRUE(ready.ok()) << ready.status();
}

void EvalShadow::SetUp() {
  ShadowTest::SetUp();
  if (IsSkipped()) return;
  port_ = free_port();
  script_ = files_.file("eval.py", preamble_ + kEvalServer);
  ASSERT_NO_FATAL_FAILURE(start_service({"/usr/bin/python3", script_, "0.0.0.0", std::to_string(port_)}, "/"));
  make_runtime();
}

void EvalShadow::start_service(const std::vector<std::string>& argv, const std::string& directory,
                               const std::function<void()>& before_exec) {
  service_ = std::make_unique<Service>(argv, directory, before_exec);
  find_service(port_);
}

std::string EvalShadow::state_directory() const {
  std::string names;
  for (const auto& entry : std::filesystem::directory_iterator(state_.path()))
    if (const std::string name = entry.path().filename(); name.find('-') != std::string::npos) names += name + " ";
  return names;
}

}  // namespace gnomon::shadow
