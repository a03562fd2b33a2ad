#include "coordinator/app.h"

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <mutex>
#include <random>
#include <thread>
#include <utility>

#include "common/clock.h"
#include "common/log.h"
#include "common/status.h"
#include "coordinator/api/metrics.h"
#include "coordinator/api/query_service.h"
#include "coordinator/ingest/agent_service.h"
#include "coordinator/session/sessions.h"
#include "coordinator/store/store.h"

namespace gnomon::coordinator {
namespace {

constexpr std::chrono::seconds kSweepInterval{1};
constexpr int kMaxMessageBytes = 64 << 20;  // a long session with all its samples
constexpr int kKeepaliveMs = 10'000;

// Calls sweep() about once a second on a thread of its own, until destroyed.
class Sweeper {
 public:
  explicit Sweeper(session::Sessions& sessions) : thread_([this, &sessions] { run(sessions); }) {}
  ~Sweeper() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

 private:
  void run(session::Sessions& sessions) {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, kSweepInterval, [this] { return stopping_; })) sessions.sweep();
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses the others
};

class RunningApp final : public App {
 public:
  RunningApp(std::unique_ptr<store::Store> store, std::unique_ptr<session::Sessions> sessions)
      : store_(std::move(store)),
        sessions_(std::move(sessions)),
        agent_service_(*sessions_),
        query_service_(*sessions_),
        sweeper_(*sessions_) {}

  ~RunningApp() override {
    if (!server_) return;
    server_->Shutdown(std::chrono::system_clock::now());  // cancels what is open; streams would stay for ever
    server_->Wait();
  }

  absl::Status start(const std::string& listen) {
    grpc::ServerBuilder builder;
    int port = 0;
    // A port that is taken is an error; gRPC would share it (SO_REUSEPORT) and half of the agents would go astray.
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveMs);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    // Agents ping as often.
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, kKeepaliveMs / 2);
    if (!listen.empty()) builder.AddListeningPort(listen, grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&agent_service_);
    builder.RegisterService(&query_service_);
    server_ = builder.BuildAndStart();
    if (!server_)
      return absl::UnavailableError(
          "cannot listen on " + listen +
          ": is it in use, or not an address of this machine (\"host:port\" or \"unix:path\")?");
    address_ = listen;
    if (!listen.empty() && listen.rfind("unix:", 0) != 0)
      address_ = listen.substr(0, listen.rfind(':') + 1) + std::to_string(port);
    return absl::OkStatus();
  }

  // Watching comes after working: where nothing can be served, that is said, and the coordinator goes on.
  void serve_metrics(const std::string& address) {
    auto served = telemetry::Exposition::serve(
        address, [this] { return api::metrics(*sessions_, std::chrono::system_clock::now()); });
    if (served.ok())
      exposition_ = *std::move(served);
    else
      SPDLOG_ERROR("{}", std::string(served.status().message()));
  }

  int metrics_port() const override { return exposition_ ? exposition_->port() : 0; }

  std::shared_ptr<grpc::Channel> in_process_channel() override {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
    return server_->InProcessChannel(arguments);
  }

  std::string address() const override { return address_; }

 private:
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<session::Sessions> sessions_;
  ingest::AgentService agent_service_;
  api::QueryService query_service_;
  Sweeper sweeper_;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  std::unique_ptr<telemetry::Exposition> exposition_;
};

std::uint64_t random_seed() {
  std::random_device device;
  return (static_cast<std::uint64_t>(device()) << 32) | device();
}

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace

absl::StatusOr<std::unique_ptr<App>> App::create(Config config) {
  ASSIGN_OR_RETURN(std::unique_ptr<store::Store> store, store::Store::open(config.database));
  ASSIGN_OR_RETURN(std::unique_ptr<session::Sessions> sessions,
                   session::Sessions::create(*store, system_clock(), random_seed()));
  auto app = std::make_unique<RunningApp>(std::move(store), std::move(sessions));
  RETURN_IF_ERROR(app->start(config.listen));
  if (!config.metrics.empty() && config.metrics != "off") app->serve_metrics(config.metrics);
  if (!app->address().empty()) SPDLOG_INFO("coordinator listens on {}", app->address());
  return std::unique_ptr<App>(std::move(app));
}

}  // namespace gnomon::coordinator
