#include "agent/session/noise_control.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include "agent/session/noise_checks.h"
#include "agent/shadow/namespaces.h"
#include "agent/shadow/network.h"
#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::session {
namespace {

constexpr char kLoopback[] = "lo";

bool same_namespace(int one, int other) {
  struct stat a {
  }, b{};
  return ::fstat(one, &a) == 0 && ::fstat(other, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

// Each tried once, in a namespace that goes at once: nothing is learnt from a kernel's version.
absl::StatusOr<noise::Capabilities> find_capabilities(std::uint16_t port) {
  noise::Capabilities found;
  ASSIGN_OR_RETURN(const UniqueFd space, shadow::new_network_namespace());
  RETURN_IF_ERROR(shadow::run_inside(space.get(), CLONE_NEWNET, [&] {
    const auto why = [](const absl::Status& status) { return std::string(status.message()); };
    found.htb = why(noise::try_queue("htb"));
    found.netem = why(noise::try_queue("netem"));
    auto packets = noise::Packets::load(port);
    found.tc = why(packets.ok() ? (*packets)->attach({kLoopback, true}) : packets.status());
    return absl::OkStatus();
  }));
  return found;
}

}  // namespace

absl::Status NoiseControl::start(const shadow::Shadow& shadow, const std::vector<document::EgressRule>& rules) {
  shadow_netns_.reset(::open(fmt::format("/proc/{}/ns/net", shadow.pid()).c_str(), O_RDONLY | O_CLOEXEC));
  if (!shadow_netns_.valid()) return errno_status("noise: the shadow's network namespace");
  replay_netns_ = shadow.replay_netns();
  inside_ = same_namespace(shadow_netns_.get(), replay_netns_);
  port_ = shadow.port();
  dependencies_.start({.rules = rules,
                       .forwarder = shadow.forwarder(),
                       .shadow_netns = shadow_netns_.get(),
                       .link_netns = shadow.link_netns()});
  const std::lock_guard lock(mutex_);
  return adopt(*std::exchange(wanted_, std::nullopt));
}

void NoiseControl::set(const document::Profile& profile) {
  const std::lock_guard lock(mutex_);
  wanted_ = noise_of(profile);
}

absl::StatusOr<noise::NoiseModel> NoiseControl::enter(int block, bool treatment) {
  if (on_since_) on_for_ += clock_.now() - *on_since_;
  on_since_.reset();
  if (!treatment) {
    dependencies_.switch_to(false);
    RETURN_IF_ERROR(switch_packets(false));
    return noise::NoiseModel{};
  }
  {
    const std::lock_guard lock(mutex_);
    if (wanted_ && *wanted_ != noise_) RETURN_IF_ERROR(adopt(*wanted_));
    wanted_.reset();
  }
  treated_.insert(block);
  on_since_ = clock_.now();
  dependencies_.switch_to(true);
  RETURN_IF_ERROR(switch_packets(true));
  return model();
}

// Sets up what the noise needs, and counts from now on.
absl::Status NoiseControl::adopt(const Noise& noise) {
  // What is tried loads a program: not for a session that needs to know nothing of it.
  if (!capabilities_ &&
      (noise.own.on_packets() || noise.own.connection_refusal.value > 0 || !noise.dependencies.empty())) {
    ASSIGN_OR_RETURN(capabilities_, find_capabilities(port_));
  }
  const noise::Capabilities capabilities = capabilities_.value_or(noise::Capabilities{});
  ASSIGN_OR_RETURN(uses_, noise::choose(noise.own, capabilities));
  noise_ = noise;
  RETURN_IF_ERROR(dependencies_.adopt(noise.dependencies, capabilities));
  if (uses(uses_, noise::Engine::kTc)) RETURN_IF_ERROR(need_packets());
  if (uses(uses_, noise::Engine::kNetem) || uses(uses_, noise::Engine::kHtb)) {
    RETURN_IF_ERROR(need_packets());  // which choose what is queued
    RETURN_IF_ERROR(need_shaper());
  }
  if (shaper_) {
    RETURN_IF_ERROR(shaper_->set({.rate = noise.own.rate_limit, .reordering = noise.own.packet_reordering}));
    ASSIGN_OR_RETURN(shaped_before_, shaper_->read());
  }
  if (packets_) {
    ASSIGN_OR_RETURN(packets_before_, packets_->read());
  }
  treated_.clear();
  tally_ = {};
  on_for_ = Nanos(0);
  return absl::OkStatus();
}

// Packets are dropped where they arrive: loss on the sender's own interface would be told to its TCP, which just sends
// again. Each end has a hook; on loopback one sees both directions.
absl::Status NoiseControl::need_packets() {
  if (packets_) return absl::OkStatus();
  ASSIGN_OR_RETURN(auto packets, noise::Packets::load(port_));
  const auto attach = [&](int netns, const noise::Hook& hook) {
    return shadow::run_inside(netns, CLONE_NEWNET, [&] { return packets->attach(hook); });
  };
  if (!inside_) RETURN_IF_ERROR(attach(replay_netns_, {shadow::kReplayLink, false}));
  RETURN_IF_ERROR(attach(shadow_netns_.get(), {inside_ ? kLoopback : shadow::kShadowLink, true}));
  packets_ = std::move(packets);
  return absl::OkStatus();
}

absl::Status NoiseControl::need_shaper() {
  if (shaper_) return absl::OkStatus();
  return shadow::run_inside(shadow_netns_.get(), CLONE_NEWNET, [&]() -> absl::Status {
    ASSIGN_OR_RETURN(shaper_, noise::Shaper::make(inside_ ? kLoopback : shadow::kShadowLink));
    return absl::OkStatus();
  });
}

absl::Status NoiseControl::switch_packets(bool on) {
  if (!packets_) return absl::OkStatus();
  const document::Noise& own = noise_.own;
  packets_->set({.loss = own.packet_loss,
                 .duplication = own.packet_duplication,
                 .refusal = by("connection_refusal", noise::Engine::kTc) ? own.connection_refusal : Fraction{},
                 .shape = shaper_ && (own.rate_limit > 0 || own.packet_reordering.value > 0)},
                on);
  return absl::OkStatus();
}

bool NoiseControl::by(const char* kind, noise::Engine engine) const {
  const noise::Use* use = use_of(uses_, kind);
  return use != nullptr && use->engine == engine;
}

noise::NoiseModel NoiseControl::model() const {
  noise::NoiseModel model = model_of(noise_.own);
  if (by("connection_refusal", noise::Engine::kReplayPath)) model.refusal = noise_.own.connection_refusal;
  return model;
}

std::string NoiseControl::engines() const {
  const std::string dependencies = dependencies_.engines();
  if (dependencies.empty()) return noise::describe(uses_);
  return uses_.empty() ? dependencies : noise::describe(uses_) + "; " + dependencies;
}

void NoiseControl::take(std::span<const replay::Reading> readings) {
  for (const replay::Reading& reading : readings)
    if (treated_.contains(reading.block)) tally_ += reading.noise;
}

absl::StatusOr<std::vector<noise::Check>> NoiseControl::checks() {
  Injected injected{.tally = tally_, .on = on_for_};
  if (on_since_) injected.on += clock_.now() - *on_since_;
  if (packets_) {
    ASSIGN_OR_RETURN(const noise_counters now, packets_->read());
    injected.packets = since(packets_before_, now);
  }
  if (shaper_) {
    ASSIGN_OR_RETURN(const noise::Shaper::Totals now, shaper_->read());
    injected.shaped = {.bytes = now.bytes - shaped_before_.bytes,
                       .packets = now.packets - shaped_before_.packets,
                       .reordered = now.reordered - shaped_before_.reordered};
    injected.limited_bits = 8 * static_cast<double>(injected.shaped.bytes);
  }
  std::vector<noise::Check> checks = check_injected(noise_.own, uses_, injected);
  ASSIGN_OR_RETURN(std::vector<noise::Check> of_dependencies, dependencies_.checks(injected.on));
  for (noise::Check& check : of_dependencies) checks.push_back(std::move(check));
  return checks;
}

}  // namespace gnomon::session
