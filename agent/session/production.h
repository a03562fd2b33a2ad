#pragma once
// Production's side of a session: what of it is watched, and what is captured of it.

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/discovery/instance.h"
#include "agent/probe/probe.h"
#include "agent/session/capture.h"
#include "agent/session/tls.h"
#include "document/service.h"

namespace gnomon::session {

class Production {
 public:
  // Takes a slot of the probe; nothing is watched yet. `seed` draws connections and requests.
  static absl::StatusOr<std::unique_ptr<Production>> make(probe::Probe& probe, const document::Service& service,
                                                          std::uint64_t seed, const Tls& tls,
                                                          Capture::OnRequests on_requests, Capture::OnEnd on_end);
  ~Production();  // nothing is watched any more

  // Marks the instance's listeners and the connections that are open. Keep-alive connections may be all the traffic
  // there is: of those open already the share is taken exactly, rounded up, so that a few long-lived clients are never
  // left out altogether.
  absl::Status watch(const discovery::Instance& instance);

  // Changes the share that is sampled; nothing is re-attached. It is true at once where single requests are drawn
  // (draws_requests()), else of new connections alone.
  absl::Status set_fraction(Fraction fraction);
  bool draws_requests() const { return by_request_; }

  // While it is off no new connection is sampled, and on those that are requests are not copied, each from the end of
  // the exchange under way. Where requests are drawn new connections are sampled all the same, as they would be lost
  // for good, and of each what it begins with is copied. Where requests depend on earlier ones, all are copied.
  absl::Status set_off(bool off);

  // From the tap's thread. False: of another slot.
  bool record(const tap_record& header, std::span<const std::byte> payload);

  probe::Slot slot() const { return slot_; }
  telemetry::TapCounters counters() const { return capture_->counters(); }
  std::vector<compare::Counts> responses() const { return capture_->responses(); }
  // Why responses are not compared, although that is asked for; empty: they are, or it is not.
  const std::string& responses_problem() const { return responses_problem_; }
  // How much the requests chosen are like all of production's; nullopt while there are too few to tell, or where none
  // are left out.
  std::optional<sampling::Representativeness> representativeness() const;

 private:
  Production(probe::Probe& probe, probe::Slot slot, bool by_request, Fraction fraction, std::uint64_t seed)
      : probe_(probe), slot_(slot), by_request_(by_request), fraction_(fraction), seed_(seed) {}
  // Has the service's responses captured, if they are to be compared and can be.
  absl::StatusOr<std::optional<compare::Settings>> compare_responses(const document::Comparison& wanted);
  // When single requests are drawn, of all connections.
  Fraction connections() const { return by_request_ ? Fraction{1} : fraction_; }

  probe::Probe& probe_;
  const probe::Slot slot_;
  const bool by_request_;
  Fraction fraction_;
  const std::uint64_t seed_;
  std::unique_ptr<Capture> capture_;
  std::atomic<bool> paused_ = false;  // in the kernel
  std::string responses_problem_;
};

}  // namespace gnomon::session
