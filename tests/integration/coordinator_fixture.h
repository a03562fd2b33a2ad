#pragma once
// A coordinator on a socket and a database file of the test's own, and an agent's link to it.

#include <grpcpp/grpcpp.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "agent/link/link.h"
#include "coordinator/app.h"
#include "gnomon/v1/query.grpc.pb.h"
#include "gtest/gtest.h"

namespace gnomon {

// Whether `condition` comes true; generous, for a loaded machine.
inline bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

// An agent that keeps what it is told and says what the test tells it to.
class TestAgent {
 public:
  explicit TestAgent(const std::string& address) : TestAgent(link::open_channel(address)) {}
  explicit TestAgent(std::shared_ptr<grpc::ChannelInterface> channel)
      : link_(std::move(channel), {.node = "n1", .version = "test"}, [this](link::DesiredState state) {
          const std::lock_guard lock(mutex_);
          state_ = std::move(state);
        }) {}

  link::DesiredState desired() const {
    const std::lock_guard lock(mutex_);
    return state_;
  }
  link::Link& link() { return link_; }

  void report(std::vector<session::Report> sessions) {
    link::NodeReport report{.applied_revision = desired().revision, .sessions = std::move(sessions)};
    report.instances.push_back({.service = "web", .instance = {.pid = 1, .command = "nginx"}, .error = ""});
    link_.report(report);
  }

 private:
  mutable std::mutex mutex_;
  link::DesiredState state_;
  link::Link link_;  // last: its thread uses the others
};

class CoordinatorFixture : public ::testing::Test {
 protected:
  CoordinatorFixture() {
    std::string pattern = ::testing::TempDir() + "gnomon-XXXXXX";
    directory_ = mkdtemp(pattern.data());
    address_ = "unix:" + (directory_ / "api.sock").string();
    start();
  }
  ~CoordinatorFixture() override {
    app_.reset();
    std::filesystem::remove_all(directory_);
  }

  void start() {
    auto app = coordinator::App::create(
        {.database = directory_ / "coordinator.db", .listen = address_, .metrics = "127.0.0.1:0"});
    if (!app.ok()) throw std::runtime_error(std::string(app.status().message()));
    app_ = *std::move(app);
    stub_ = v1::QueryService::NewStub(app_->in_process_channel());
  }
  void stop() {
    stub_.reset();
    app_.reset();
  }

  std::string apply() {
    v1::ApplyRequest request;
    v1::ServiceDescriptor& service = *request.add_services();
    service.set_name("web");
    service.mutable_discovery()->set_port(8080);
    v1::ShadowInstanceProfile& profile = *request.add_profiles();
    profile.set_service_descriptor("web");
    profile.mutable_noise_parameters()->set_response_delay_mean("50ms");
    request.set_session_duration_ms(15'000);
    v1::ApplyResponse response;
    grpc::ClientContext context;
    const grpc::Status status = stub_->Apply(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.sessions_size() == 1 ? response.sessions(0) : "";
  }

  v1::Session get(const std::string& id) {
    v1::GetSessionRequest request;
    request.set_id(id);
    request.set_with_samples(true);
    v1::Session session;
    grpc::ClientContext context;
    EXPECT_TRUE(stub_->GetSession(&context, request, &session).ok());
    return session;
  }

  // Applied, and handed to the agent.
  std::string placed_session(TestAgent& agent) {
    const std::string id = apply();
    agent.report({});
    EXPECT_TRUE(eventually([&] { return agent.desired().sessions.size() == 1; }));
    return id;
  }

  // One settled second of a block, 50 ms slower in treatment.
  static telemetry::Sample sample(const std::string& id, const session::Block& block) {
    telemetry::Sample sample{.session_id = id, .role = telemetry::Role::kShadow};
    sample.end = WallTime(std::chrono::milliseconds(1000 * (block.index + 1)));
    sample.span = std::chrono::seconds(1);
    sample.block = block.index;
    sample.settled = true;
    sample.requests = sample.replayed = 500;
    sample.service_time.record(std::chrono::milliseconds(2), 500);
    sample.response_time.record(std::chrono::milliseconds(block.treatment ? 52 : 2), 500);
    return sample;
  }

  std::filesystem::path directory_;
  std::string address_;
  std::unique_ptr<coordinator::App> app_;
  std::unique_ptr<v1::QueryService::Stub> stub_;
};

}  // namespace gnomon
