// The framers and clients of HTTP against real servers: what curl and h2load say to one is framed, and said by this
// side's client to a second, whose log then says what the first one's says.
#include <algorithm>
#include <fstream>
#include <sstream>

#include "agent/protocol/http1/http1.h"
#include "agent/protocol/http2/http2.h"
#include "gtest/gtest.h"
#include "tests/integration/conformance.h"

namespace gnomon::protocol {
namespace {

// Answers /post after having read the body, /broken with 503. `options` of its port: "http2".
class Nginx {
 public:
  explicit Nginx(const std::string& options)
      : server_([&](std::uint16_t port, const shadow::TemporaryDirectory& directory) {
          log_ = directory.path() + "/access.log";
          return arguments(options, port, directory);
        }) {}
  std::uint16_t port() const { return server_.port(); }
  // The lines of its log, sorted, once there are `count`.
  std::vector<std::string> log(std::size_t count) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    std::vector<std::string> lines;
    while (lines.size() < count && std::chrono::steady_clock::now() < deadline) {
      lines.clear();
      std::ifstream file(log_);
      for (std::string line; std::getline(file, line);) lines.push_back(line);
    }
    std::ranges::sort(lines);
    return lines;
  }

 private:
  static std::vector<std::string> arguments(const std::string& options, std::uint16_t port,
                                            const shadow::TemporaryDirectory& directory) {
    std::ostringstream config;
    config << "daemon off; master_process off; pid " << directory.path() << "/pid;\n"
           << "events { worker_connections 256; }\nhttp {\n"
           << "log_format seen '$request_method $uri $status $http_content_length $http_x_user';\n"
           << "client_body_temp_path " << directory.path() << "/body; proxy_temp_path " << directory.path()
           << "/proxy;\n"
           << "access_log off;\nserver { listen unix:" << directory.path()
           << "/sink; location / { return 200 read; } }\n"
           << "server { listen 127.0.0.1:" << port << " " << options << "; access_log " << directory.path()
           << "/access.log seen;\nlocation / { return 200 hello; } location = /broken { return 503; }\n"
           << "location = /none { return 404; } location /post { proxy_pass http://unix:" << directory.path()
           << "/sink:/; } } }\n";
    return {program_path("nginx"), "-e", directory.path() + "/error.log", "-c",
            directory.file("nginx.conf", config.str())};
  }
  std::string log_;
  Server server_;
};

// Answers by itself, 503 for /broken.
std::vector<std::string> haproxy(const std::string& options, std::uint16_t port,
                                 const shadow::TemporaryDirectory& directory) {
  return {program_path("haproxy"), "-db", "-f",
          directory.file("haproxy.cfg",
                         "defaults\n mode http\n timeout client 20s\n timeout connect 5s\n timeout server "
                         "20s\nfrontend f\n bind 127.0.0.1:" +
                             std::to_string(port) + " " + options +
                             "\n option http-buffer-request\n"
                             " http-request return status 503 if { path /broken }\n"
                             " http-request return status 200 content-type text/plain string hello\n")};
}

class HttpServers : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* const program : {"nginx", "haproxy", "curl", "h2load"})
      if (program_path(program).empty()) GTEST_SKIP() << "needs " << program;
  }
};

// Every request is answered as `expected` says by its path's last word; how many there were.
std::size_t check(const RecordingProxy& proxy, const Protocol& protocol, std::uint16_t second) {
  std::size_t count = 0;
  for (const auto& connection : frame(proxy, protocol)) {
    if (connection.empty()) continue;
    const auto answers = Dialogue(second, protocol).exchange(connection);
    EXPECT_EQ(answers.size(), connection.size());
    for (const Answer& answer : answers) {
      const Request& request = connection[answer.tag];
      const std::uint32_t expected = request.endpoint.ends_with("/broken") ? 503
                                     : request.endpoint.ends_with("/none") ? 404
                                                                           : 200;
      EXPECT_EQ(answer.status, expected) << request.endpoint;
      EXPECT_EQ(answer.error, expected == 503) << request.endpoint;
      if (request.head || expected != 200) continue;
      EXPECT_GT(answer.size, 0u) << request.endpoint;
    }
    count += answers.size();
  }
  return count;
}

// GET, HEAD, a body that waits for 100, one without a length, and failures.
void curl(std::uint16_t port, const std::string& options) {
  const std::string url = " http://127.0.0.1:" + std::to_string(port), curl = "curl -s -o /dev/null " + options;
  const std::string body = "head -c 70000 /dev/zero | ";
  output_of(curl + " -H 'X-User: u7'" + url + "/a");
  output_of(curl + url + "/b?c=d");
  output_of(curl + " -I" + url + "/a");
  output_of(body + curl + " -H 'Expect: 100-continue' --data-binary @-" + url + "/post");
  output_of(body + curl + " -T -" + url + "/post");
  output_of(curl + url + "/broken");
  output_of(curl + url + "/none");
}
constexpr std::size_t kOfCurl = 7;

TEST_F(HttpServers, NginxSeesTheSameHttp1Requests) {
  const Nginx first(""), second("");
  const RecordingProxy proxy(first.port());
  curl(proxy.port(), "--http1.1");
  // Pipelined, with a body in chunks that has trailers.
  const std::string pipelined =
      "GET /1 HTTP/1.1\\r\\nHost: a\\r\\n\\r\\nPOST /post HTTP/1.1\\r\\nHost: a\\r\\nTransfer-Encoding: "
      "chunked\\r\\n\\r\\n"
      "5;x=y\\r\\nhello\\r\\n0\\r\\nX-Sum: 1\\r\\n\\r\\nHEAD /2 HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"
      "GET /none HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n";
  const std::string said = output_of("timeout 20 bash -c 'exec 3<>/dev/tcp/127.0.0.1/" + std::to_string(proxy.port()) +
                                     "; printf \"" + pipelined + "\" >&3; cat <&3'");
  EXPECT_NE(said.find("404 Not Found"), std::string::npos) << said;
  EXPECT_EQ(check(proxy, http1(), second.port()), kOfCurl + 4);
  EXPECT_EQ(first.log(kOfCurl + 4), second.log(kOfCurl + 4));
}

TEST_F(HttpServers, NginxSeesTheSameHttp2Requests) {
  const Nginx first("http2"), second("http2");
  const RecordingProxy proxy(first.port());
  curl(proxy.port(), "--http2-prior-knowledge");
  const std::string printed =
      output_of("h2load -n 300 -c 3 -m 20 -H 'x-user: u8' http://127.0.0.1:" + std::to_string(proxy.port()) + "/load");
  EXPECT_NE(printed.find("300 succeeded"), std::string::npos) << printed;
  EXPECT_EQ(check(proxy, http2(), second.port()), kOfCurl + 300);
  EXPECT_EQ(first.log(kOfCurl + 300), second.log(kOfCurl + 300));
}

TEST_F(HttpServers, HaproxyAnswersBoth) {
  for (const bool two : {false, true}) {
    const auto arguments = [two](std::uint16_t port, const shadow::TemporaryDirectory& directory) {
      return haproxy(two ? "proto h2" : "", port, directory);
    };
    const Server first(arguments), second(arguments);
    const RecordingProxy proxy(first.port());
    const std::string url = " http://127.0.0.1:" + std::to_string(proxy.port());
    const std::string curl = std::string("curl -s ") + (two ? "--http2-prior-knowledge" : "--http1.1");
    for (const char* const path : {"/a", "/b", "/broken"}) output_of(curl + url + path);
    output_of(curl + " -I" + url + "/a");
    output_of("head -c 9000 /dev/zero | " + curl + " --data-binary @-" + url + "/post");
    output_of("h2load -n 60 -c 2 -m 5 " + std::string(two ? "" : "--h1") + url + "/load");
    EXPECT_EQ(check(proxy, two ? http2() : http1(), second.port()), 65u) << two;
  }
}

TEST_F(HttpServers, WhatFollowsAnUpgradeIsNotFramed) {
  const Nginx first("");
  const RecordingProxy proxy(first.port());
  output_of("curl -s --http2 http://127.0.0.1:" + std::to_string(proxy.port()) + "/a");
  ASSERT_EQ(proxy.connections().size(), 1u);
  const auto framer = http1().framer(1, false, {});
  std::vector<Request> requests;
  const auto connections = proxy.connections();
  for (const std::string& piece : connections[0]) framer->feed(std::as_bytes(std::span(piece)), {}, false, requests);
  EXPECT_EQ(framer->state(), RequestFramer::State::kUpgraded);
  for (const Request& request : requests) EXPECT_FALSE(request.replayable);
}

}  // namespace
}  // namespace gnomon::protocol
