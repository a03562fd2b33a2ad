#include "agent/session/noise_control.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

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

absl::Status NoiseControl::start(int shadow_pid, int replay_netns, std::uint16_t port) {
  shadow_netns_.reset(::open(fmt::format("/proc/{}/ns/net", shadow_pid).c_str(), O_RDONLY | O_CLOEXEC));
  if (!shadow_netns_.valid()) return errno_status("noise: the shadow's network namespace");
  replay_netns_ = replay_netns;
  inside_ = same_namespace(shadow_netns_.get(), replay_netns);
  port_ = port;
  const std::lock_guard lock(mutex_);
  return adopt(*std::exchange(wanted_, std::nullopt));
}

void NoiseControl::set(const document::Noise& noise) {
  const std::lock_guard lock(mutex_);
  wanted_ = noise;
}

absl::StatusOr<noise::NoiseModel> NoiseControl::enter(int block, bool treatment) {
  if (on_since_) on_for_ += clock_.now() - *on_since_;
  on_since_.reset();
  if (!treatment) {
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
  RETURN_IF_ERROR(switch_packets(true));
  return model();
}

// Sets up what the noise needs, and counts from now on.
absl::Status NoiseControl::adopt(const document::Noise& noise) {
  // What is tried loads a program: not for a session that needs to know nothing of it.
  if (!capabilities_ && (noise.on_packets() || noise.connection_refusal.value > 0)) {
    ASSIGN_OR_RETURN(capabilities_, find_capabilities(port_));
  }
  ASSIGN_OR_RETURN(uses_, noise::choose(noise, capabilities_.value_or(noise::Capabilities{})));
  noise_ = noise;
  if (uses(uses_, noise::Engine::kTc)) RETURN_IF_ERROR(need_packets());
  if (uses(uses_, noise::Engine::kNetem) || uses(uses_, noise::Engine::kHtb)) {
    RETURN_IF_ERROR(need_packets());  // which choose what is queued
    RETURN_IF_ERROR(need_shaper());
  }
  if (shaper_) {
    RETURN_IF_ERROR(shaper_->set({.rate = noise.rate_limit, .reordering = noise.packet_reordering}));
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
  packets_->set({.loss = noise_.packet_loss,
                 .duplication = noise_.packet_duplication,
                 .refusal = by("connection_refusal", noise::Engine::kTc) ? noise_.connection_refusal : Fraction{},
                 .shape = shaper_ && (noise_.rate_limit > 0 || noise_.packet_reordering.value > 0)},
                on);
  return absl::OkStatus();
}

bool NoiseControl::by(const char* kind, noise::Engine engine) const {
  const noise::Use* use = use_of(uses_, kind);
  return use != nullptr && use->engine == engine;
}

noise::NoiseModel NoiseControl::model() const {
  return {.delay_mean = noise_.response_delay_mean,
          .delay_stddev = noise_.response_delay_stddev,
          .error_rate = noise_.error_rate,
          .delay_shape = noise_.response_delay_distribution,
          .refusal = by("connection_refusal", noise::Engine::kReplayPath) ? noise_.connection_refusal : Fraction{},
          .reset = noise_.connection_reset};
}

void NoiseControl::take(std::span<const replay::Reading> readings) {
  for (const replay::Reading& reading : readings)
    if (treated_.contains(reading.block)) tally_ += reading.noise;
}

absl::StatusOr<std::vector<noise::Check>> NoiseControl::checks() {
  noise_counters packets{};
  noise::Shaper::Totals shaped;
  if (packets_) {
    ASSIGN_OR_RETURN(packets, packets_->read());
  }
  if (shaper_) {
    ASSIGN_OR_RETURN(shaped, shaper_->read());
  }
  const noise_counters& before = packets_before_;
  Nanos on = on_for_;
  if (on_since_) on += clock_.now() - *on_since_;

  std::vector<noise::Check> checks;
  for (const noise::Use& use : uses_) {
    const std::string engine = name_of(use.engine);
    const auto share = [&](Fraction asked, std::uint64_t events, std::uint64_t trials) {
      checks.push_back(noise::check_share(use.kind, engine, asked, events, trials));
    };
    if (use.kind == "response_delay") {
      for (noise::Check& check : noise::check_delay(model(), tally_, engine)) checks.push_back(std::move(check));
    } else if (use.kind == "error_rate") {
      share(noise_.error_rate, tally_.failed, tally_.requests);
    } else if (use.kind == "packet_loss") {
      share(noise_.packet_loss, packets.dropped - before.dropped, packets.packets - before.packets);
    } else if (use.kind == "packet_duplication") {
      share(noise_.packet_duplication, packets.duplicated - before.duplicated, packets.offered - before.offered);
    } else if (use.kind == "packet_reordering") {
      share(noise_.packet_reordering, shaped.reordered - shaped_before_.reordered,
            shaped.packets - shaped_before_.packets);
    } else if (use.kind == "rate_limit") {
      checks.push_back(noise::check_rate(use.kind, engine, static_cast<double>(noise_.rate_limit),
                                         8 * static_cast<double>(shaped.bytes - shaped_before_.bytes),
                                         std::chrono::duration<double>(on).count()));
    } else if (use.kind == "connection_refusal" && use.engine == noise::Engine::kTc) {
      share(noise_.connection_refusal, packets.refused - before.refused, packets.attempts - before.attempts);
    } else if (use.kind == "connection_refusal") {
      share(noise_.connection_refusal, tally_.refused, tally_.connections);
    } else {
      share(noise_.connection_reset, tally_.reset, tally_.responding);
    }
  }
  return checks;
}

}  // namespace gnomon::session
