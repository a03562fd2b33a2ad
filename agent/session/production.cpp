#include "agent/session/production.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "common/log.h"
#include "common/status.h"

namespace gnomon::session {
namespace {

constexpr char kProc[] = "/proc";

}  // namespace

absl::StatusOr<std::unique_ptr<Production>> Production::make(probe::Probe& probe, const document::Service& service,
                                                             std::uint64_t seed, const Tls& tls,
                                                             Capture::OnRequests on_requests, Capture::OnEnd on_end) {
  ASSIGN_OR_RETURN(const probe::Slot slot, probe.take_slot());
  const bool by_request = service.sample_by != document::kSampleBy[0];
  std::unique_ptr<Production> production(new Production(probe, slot, by_request, service.sampled_fraction, seed));
  if (tls.spoken) RETURN_IF_ERROR(probe.set_tls(slot, tls.libraries));
  RETURN_IF_ERROR(probe.set_sampled_fraction(slot, production->connections()));
  ASSIGN_OR_RETURN(const auto comparison, production->compare_responses(service.comparison));
  const CapturePolicy policy{
      .limits = {.message_bytes = static_cast<std::size_t>(service.max_request.value)},
      .protocol = protocol::find_protocol(service.protocol),
      .replay_writes = service.replay_writes,
      .sampling = {.fraction = service.sampled_fraction, .selector = service.sample_by, .seed = seed},
      .comparison = comparison};
  production->capture_ = std::make_unique<Capture>(policy, std::move(on_requests), std::move(on_end));
  return production;
}

Production::~Production() {
  probe_.release_slot(slot_);
}

absl::StatusOr<std::optional<compare::Settings>> Production::compare_responses(const document::Comparison& wanted) {
  if (wanted.level == document::Comparison::Level::kOff) return std::nullopt;
  const absl::Status captured = probe_.set_responses(slot_, wanted.bytes);
  if (absl::IsFailedPrecondition(captured)) {
    responses_problem_ = std::string(captured.message());
    return std::nullopt;
  }
  RETURN_IF_ERROR(captured);
  return compare::Settings{.body = wanted.level == document::Comparison::Level::kBody,
                           .bytes = static_cast<std::size_t>(wanted.bytes.value)};
}

absl::Status Production::watch(const discovery::Instance& instance) {
  for (const discovery::ListenSocket& listener : instance.listeners) {
    ASSIGN_OR_RETURN(const UniqueFd fd, discovery::borrow_socket({listener.pid, listener.fd, listener.inode}));
    // Only marked, not kept: a duplicate held on to would keep the port taken while production restarts.
    RETURN_IF_ERROR(probe_.watch_listener(fd.get(), slot_));
  }
  std::vector<discovery::SocketHolder> open = discovery::open_connections(kProc, instance);
  std::mt19937_64 random(seed_);
  std::shuffle(open.begin(), open.end(), random);
  const auto chosen = static_cast<std::size_t>(std::ceil(connections().value * static_cast<double>(open.size())));
  for (std::size_t i = 0; i < open.size(); ++i) {
    // One at a time: while it is borrowed, production's close() would not reach the client.
    const auto connection = discovery::borrow_socket(open[i]);
    const absl::Status watched =
        connection.ok() ? probe_.watch_connection(connection->get(), slot_, i < chosen) : connection.status();
    // It has closed meanwhile, or was accepted after the listener was marked and is watched already.
    if (!watched.ok()) spdlog::debug("connection not joined: {}", std::string(watched.message()));
  }
  return absl::OkStatus();
}

absl::Status Production::set_fraction(Fraction fraction) {
  fraction_ = fraction;
  RETURN_IF_ERROR(probe_.set_sampled_fraction(slot_, connections()));
  if (by_request_) capture_->set_fraction(fraction);
  return absl::OkStatus();
}

absl::Status Production::set_off(bool off) {
  if (!by_request_) RETURN_IF_ERROR(probe_.set_sampled_fraction(slot_, off ? Fraction{0} : fraction_));
  const bool paused = off && capture_->may_leave_out();
  RETURN_IF_ERROR(probe_.set_paused(slot_, paused));
  paused_ = paused;
  return absl::OkStatus();
}

bool Production::record(const tap_record& header, std::span<const std::byte> payload) {
  if (header.slot != slot_) return false;
  capture_->record(header, payload);
  // The first connection of another protocol than before; it was copied from its begin on.
  if (paused_ && !capture_->may_leave_out() && probe_.set_paused(slot_, false).ok()) paused_ = false;
  return true;
}

std::optional<sampling::Representativeness> Production::representativeness() const {
  if (by_request_) {
    const Capture::Mixes mixes = capture_->mixes();
    return sampling::compare(mixes.chosen, mixes.all);
  }
  const auto mixes = probe_.read_mixes(slot_);
  return mixes.ok() ? sampling::compare(mixes->sampled, mixes->all) : std::nullopt;
}

}  // namespace gnomon::session
