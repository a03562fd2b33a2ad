#include "agent/link/link.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "agent/link/outbox.h"
#include "agent/link/translate.h"
#include "common/log.h"
#include "gnomon/v1/control.grpc.pb.h"

namespace gnomon::link {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kFirstBackoff{200};
constexpr milliseconds kLongestBackoff{5000};
constexpr seconds kStatusInterval{3};
// A coordinator that acknowledges nothing for so long is given up, though the connection looks alive.
constexpr seconds kAckPatience{20};
constexpr int kKeepaliveMs = 10'000;

MonoTime now() {
  return std::chrono::steady_clock::now();
}

// Owned by the link's thread. gRPC's reactions only note what happened and wake that thread.
class Stream final : public grpc::ClientBidiReactor<v1::AgentMessage, v1::CoordinatorMessage> {
 public:
  Stream(v1::AgentService::Stub& stub, std::mutex& mutex, std::condition_variable& wake) : mutex_(mutex), wake_(wake) {
    stub.async()->Connect(&context_, this);
    AddHold();  // writes start outside of reactions
    StartRead(&incoming_);
    StartCall();
  }

  void OnReadDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    if (ok) {
      receive();
      StartRead(&incoming_);
    } else {
      broken = true;
    }
    wake_.notify_all();
  }

  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing = false;
    if (!ok) broken = true;
    wake_.notify_all();
  }

  void OnDone(const grpc::Status& result) override {
    const std::lock_guard lock(mutex_);
    status = result;
    done = true;
    wake_.notify_all();
  }

  // Under the lock, with no write under way.
  void write(v1::AgentMessage message) {
    outgoing_ = std::move(message);
    writing = true;
    StartWrite(&outgoing_);
  }

  // Without the lock. After it the thread waits for `done`.
  void give_up() {
    context_.TryCancel();
    RemoveHold();
  }

  // Under the lock.
  std::optional<v1::DesiredState> desired;    // the latest that was not taken yet
  std::optional<std::uint64_t> acknowledged;  // likewise
  bool writing = false, broken = false, done = false;
  bool heard = false;  // anything at all from the coordinator
  grpc::Status status;

 private:
  void receive() {
    heard = true;
    if (incoming_.has_desired_state()) desired = std::move(*incoming_.mutable_desired_state());
    if (incoming_.has_sample_ack()) acknowledged = incoming_.sample_ack().sequence();
  }

  std::mutex& mutex_;
  std::condition_variable& wake_;
  grpc::ClientContext context_;
  v1::CoordinatorMessage incoming_;
  v1::AgentMessage outgoing_;
};

}  // namespace

struct Link::Impl {
  Impl(std::shared_ptr<grpc::ChannelInterface> channel, NodeFacts node_facts, OnDesired callback)
      : stub(std::move(channel)), facts(std::move(node_facts)), on_desired(std::move(callback)) {}

  // All below run on the thread, with the lock held; they let go of it where they wait or call out.
  void run();
  void serve(std::unique_lock<std::mutex>& lock, Stream& stream);
  void take(std::unique_lock<std::mutex>& lock, Stream& stream);
  void write_next(Stream& stream);
  v1::NodeStatus whole_status() const;
  void back_off(std::unique_lock<std::mutex>& lock, milliseconds& backoff);

  v1::AgentService::Stub stub;
  const NodeFacts facts;
  const OnDesired on_desired;

  mutable std::mutex mutex;
  std::condition_variable wake;
  Outbox outbox;
  v1::NodeStatus status;  // the latest report
  bool status_changed = false;
  std::vector<v1::InstanceStatus> rejected_services;
  std::vector<v1::SessionStatus> rejected_sessions;
  bool connected = false, stopping = false;

  std::minstd_rand random{std::random_device{}()};

  // Of the connection that is there now.
  bool hello_sent = false;
  MonoTime next_status{}, ack_since{};

  std::thread thread;  // last: it uses the others
};

void Link::Impl::run() {
  std::unique_lock lock(mutex);
  milliseconds backoff = kFirstBackoff;
  std::string last_error;
  while (!stopping) {
    lock.unlock();
    Stream stream(stub, mutex, wake);
    lock.lock();
    const MonoTime start = now();
    serve(lock, stream);
    connected = false;
    lock.unlock();
    stream.give_up();
    lock.lock();
    wake.wait(lock, [&] { return stream.done; });
    if (stopping) return;
    // One that is refused at once, again and again, must not be tried at full speed.
    if (now() - start > kLongestBackoff) backoff = kFirstBackoff;
    const std::string error = stream.status.error_message();
    if (stream.heard || error != last_error) SPDLOG_WARN("no connection to the coordinator, retrying: {}", error);
    last_error = error;
    back_off(lock, backoff);
  }
}

void Link::Impl::back_off(std::unique_lock<std::mutex>& lock, milliseconds& backoff) {
  // Half of it is random, so that the nodes of a coordinator that restarts don't all come at once.
  const milliseconds pause = backoff / 2 + milliseconds(random() % (backoff.count() / 2 + 1));
  backoff = std::min(2 * backoff, kLongestBackoff);
  wake.wait_for(lock, pause, [this] { return stopping; });
}

void Link::Impl::serve(std::unique_lock<std::mutex>& lock, Stream& stream) {
  hello_sent = false;
  status_changed = true;
  outbox.rewind();
  next_status = ack_since = now();
  while (!stopping && !stream.broken) {
    take(lock, stream);
    if (stopping || stream.broken) return;
    if (!outbox.awaits_ack()) ack_since = now();
    if (now() - ack_since > kAckPatience) {
      SPDLOG_WARN("the coordinator acknowledges no samples; connecting anew");
      return;
    }
    if (!stream.writing) write_next(stream);
    const MonoTime soon = now() + seconds(1);
    wake.wait_until(lock, stream.writing ? soon : std::min(soon, next_status), [&] {
      return stopping || stream.broken || stream.desired || stream.acknowledged ||
             (!stream.writing && (status_changed || outbox.has_next() || now() >= next_status));
    });
  }
}

// What the coordinator has said since the last time.
void Link::Impl::take(std::unique_lock<std::mutex>& lock, Stream& stream) {
  connected = stream.heard;
  if (stream.acknowledged) {
    outbox.acknowledge(*std::exchange(stream.acknowledged, std::nullopt));
    ack_since = now();
    wake.notify_all();  // drain()
  }
  if (!stream.desired) return;
  Translated translated = from_wire(*std::exchange(stream.desired, std::nullopt));
  for (const v1::InstanceStatus& rejected : translated.rejected_services)
    SPDLOG_ERROR("service {}: {}", rejected.service(), rejected.error());
  for (const v1::SessionStatus& rejected : translated.rejected_sessions)
    SPDLOG_ERROR("session {}: {}", rejected.id(), rejected.message());
  status_changed |= !translated.rejected_services.empty() || !translated.rejected_sessions.empty();
  rejected_services = std::move(translated.rejected_services);
  rejected_sessions = std::move(translated.rejected_sessions);
  lock.unlock();
  on_desired(std::move(translated.state));
  lock.lock();
}

// Samples go before the status that was reported after them: a session is not said to be complete before its last
// sample.
void Link::Impl::write_next(Stream& stream) {
  v1::AgentMessage message;
  if (!hello_sent) {
    *message.mutable_hello() = to_wire(facts);
    hello_sent = true;
  } else if (const v1::SampleBatch* batch = outbox.next()) {
    *message.mutable_samples() = *batch;
  } else if (status_changed || now() >= next_status) {
    *message.mutable_status() = whole_status();
    status_changed = false;
    next_status = now() + kStatusInterval;
  } else {
    return;
  }
  stream.write(std::move(message));
}

v1::NodeStatus Link::Impl::whole_status() const {
  v1::NodeStatus whole = status;
  whole.set_dropped_samples(outbox.dropped());
  for (const v1::InstanceStatus& rejected : rejected_services) *whole.add_instances() = rejected;
  for (const v1::SessionStatus& rejected : rejected_sessions) *whole.add_sessions() = rejected;
  return whole;
}

Link::Link(std::shared_ptr<grpc::ChannelInterface> channel, NodeFacts facts, OnDesired on_desired)
    : impl_(std::make_unique<Impl>(std::move(channel), std::move(facts), std::move(on_desired))) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
}

Link::~Link() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->wake.notify_all();
  impl_->thread.join();
}

void Link::report(NodeReport report) {
  v1::NodeStatus status = to_wire(report);
  const std::lock_guard lock(impl_->mutex);
  if (status.SerializeAsString() == impl_->status.SerializeAsString()) return;  // comes with the next interval
  impl_->status = std::move(status);
  impl_->status_changed = true;
  impl_->wake.notify_all();
}

void Link::send(std::vector<telemetry::Sample> samples) {
  const std::lock_guard lock(impl_->mutex);
  impl_->outbox.add(samples);
  impl_->wake.notify_all();
}

std::uint64_t Link::dropped_samples() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->outbox.dropped();
}

bool Link::connected() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->connected;
}

bool Link::drain(Nanos timeout) {
  std::unique_lock lock(impl_->mutex);
  const std::uint64_t last = impl_->outbox.last_sequence(), dropped = impl_->outbox.dropped();
  return impl_->wake.wait_for(lock, timeout, [&] { return impl_->outbox.holds_none_up_to(last); }) &&
         impl_->outbox.dropped() == dropped;
}

std::shared_ptr<grpc::ChannelInterface> open_channel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, static_cast<int>(kFirstBackoff.count()));
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, static_cast<int>(kFirstBackoff.count()));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, static_cast<int>(kLongestBackoff.count()));
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveMs);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace gnomon::link
