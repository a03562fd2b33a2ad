// A shadow is up when its service says so; one that never does ends with its last words.

#include <signal.h>
#include <sys/eventfd.h>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "tests/integration/shadow_fixture.h"

namespace gnomon::shadow {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

// /healthz is answered with 503 until it has been asked twice; /never always is; /moved leads elsewhere.
const char kWarmingServer[] = R"(
import http.server, sys
asked = 0
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global asked
        code = {'/never': 503, '/moved': 302}.get(self.path, 200)
        if self.path == '/healthz':
            asked += 1
            code = 200 if asked > 2 else 503
        body = str(asked).encode()
        self.send_response(code)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.path == '/die':
            sys.stderr.write('the disk is full\n')
            sys.stderr.flush()
            import os; os._exit(3)
    def log_message(self, *a): pass
print('warming', flush=True)
http.server.HTTPServer(('0.0.0.0', int(sys.argv[1])), Handler).serve_forever()
)";

// As one whose socket is there before it: a supervisor's, or one that loads for long. Nobody is answered meanwhile.
const char kLateServer[] = R"(
import socket, sys, time
listener = socket.create_server(('0.0.0.0', int(sys.argv[1])), backlog=16)
print('loading', flush=True)
time.sleep(3)
print('serving', flush=True)
while True: listener.accept()[0].close()
)";

class Readiness : public ShadowTest {
 protected:
  void SetUp() override {
    ShadowTest::SetUp();
    if (IsSkipped()) return;
    const std::string script = files_.file("warming.py", kWarmingServer);
    service_ =
        std::make_unique<Service>(std::vector<std::string>{"/usr/bin/python3", script, std::to_string(port_)}, "/");
    ASSERT_NO_FATAL_FAILURE(find_service(port_));
    begin_shadow(spec(MilliCpu{500}, Bytes{128u << 20}));
  }

  std::string refusal(Nanos timeout, const std::string& path) {
    const auto ready = shadow_->wait_ready({timeout, path});
    return ready.ok() ? "ready" : std::string(ready.status().message());
  }

  const std::uint16_t port_ = free_port();
  std::unique_ptr<Service> service_;
};

class ReadinessOfAnOpenPort : public ShadowTest {};

TEST_F(Readiness, IsWhatTheServiceSaysOfItself) {
  const auto ready = shadow_->wait_ready({kReadyTimeout, "/healthz"});
  ASSERT_TRUE(ready.ok()) << ready.status();
  const auto asked = http_get(shadow_->replay_netns(), shadow_->address(), port_, "/asked");
  ASSERT_TRUE(asked.ok()) << asked.status();
  EXPECT_EQ(*asked, "3") << "it was taken before it was up, or asked again after";
}

TEST_F(Readiness, IsAlsoARedirect) {
  EXPECT_EQ(refusal(kReadyTimeout, "/moved"), "ready");
}

TEST_F(Readiness, ThatNeverComesIsToldWithTheAnswerAndTheLastLines) {
  const std::string text = refusal(1500ms, "/never");
  EXPECT_THAT(text, HasSubstr("after 1.5 s the shadow is not ready: GET /never was answered with \"HTTP/1.0 503"));
  EXPECT_THAT(text, HasSubstr("its last lines: warming"));
}

TEST_F(Readiness, IsNotWaitedForOnceItsSessionEnds) {
  const UniqueFd stop(::eventfd(1, EFD_CLOEXEC));
  const auto ready = shadow_->wait_ready({.timeout = kReadyTimeout, .http_path = "/never", .stop = stop.get()});
  EXPECT_TRUE(absl::IsCancelled(ready.status())) << ready.status();
}

TEST_F(Readiness, OfAShadowThatDiesIsToldWithItsStatusAndLastLines) {
  ASSERT_TRUE(shadow_->wait_ready({kReadyTimeout}).ok());
  (void)http_get(shadow_->replay_netns(), shadow_->address(), port_, "/die");
  const std::string text = refusal(kReadyTimeout, "/healthz");
  EXPECT_THAT(text, HasSubstr("the shadow ended with status 3 before it was ready"));
  EXPECT_THAT(text, HasSubstr("the disk is full"));
}

TEST_F(ReadinessOfAnOpenPort, IsThatTheServiceTakesAConnection) {
  const std::uint16_t port = free_port();
  const Service service({"/usr/bin/python3", files_.file("late.py", kLateServer), std::to_string(port)}, "/");
  ASSERT_NO_FATAL_FAILURE(find_service(port));
  ASSERT_NO_FATAL_FAILURE(begin_shadow(spec(MilliCpu{500}, Bytes{128u << 20})));
  const auto early = shadow_->wait_ready({1s});
  ASSERT_FALSE(early.ok()) << "an open port that nobody serves was taken for a service";
  const auto ready = shadow_->wait_ready({kReadyTimeout});
  ASSERT_TRUE(ready.ok()) << ready.status();
}

}  // namespace
}  // namespace gnomon::shadow
