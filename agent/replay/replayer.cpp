#include "agent/replay/replayer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "agent/replay/replayer_impl.h"

namespace gnomon::replay {

using std::chrono::steady_clock;

namespace {

// What comes due within this is sent together: at high rates one wake-up serves many copies.
constexpr Nanos kTick = std::chrono::microseconds(200);
// Copies sent in one go before answers get their turn: reading them late would look like a slow shadow.
constexpr int kBurst = 64;

}  // namespace

// ---- time

// Has the loop call at the earliest thing to do, unless it calls before that anyway.
void Replayer::Impl::arm() {
  std::optional<MonoTime> first = schedule.next();
  const auto also = [&first](MonoTime at) { first = first ? std::min(*first, at) : at; };
  if (!holding.empty()) also(holding.begin()->first);
  if (!exchanges.empty()) also(exchanges.front().deadline);
  const auto is_early_enough = [&] { return armed && *armed <= *first; };
  if (!first || is_early_enough()) return;
  // What is overdue goes out at once; for the rest wake-ups are at least a tick apart.
  if (*first > steady_clock::now()) first = std::max(*first, last_tick + kTick);
  if (is_early_enough()) return;
  armed = first;
  loop.wake(*this, *first);
}

void Replayer::Impl::on_time() {
  armed.reset();
  const MonoTime now = last_tick = steady_clock::now();
  while (!holding.empty() && holding.begin()->first <= now) deliver(*holding.begin()->second, now);
  while (!exchanges.empty() && exchanges.front().deadline <= now) time_out(exchanges.front());
  send_due(now, kBurst);
  arm();
}

void Replayer::Impl::send_due(MonoTime now, int at_most) {
  for (int i = 0; i < at_most; ++i) {
    auto due = schedule.pop(now);
    if (!due) return;
    if (due->request) {
      dispatch(*std::move(due), steady_clock::now());
    } else {
      end_lane(*due);
    }
  }
}

void Replayer::Impl::close_all() {
  loop.forget(*this);
  for (Exchange& exchange : exchanges)
    if (exchange.wire) exchange.wire->close(true);
  for (auto& [key, lane] : lanes)
    for (const WirePtr& wire : lane.ready) wire->close(false);
}

// ---- the interface

Replayer::Replayer(Loop& loop, Target target, Limits limits, std::uint64_t seed)
    : impl_(std::make_unique<Impl>(loop, target, limits, seed)) {}

Replayer::~Replayer() {
  impl_->close_all();
}

void Replayer::set_phase(const Phase& phase) {
  impl_->send_due(steady_clock::now(), std::numeric_limits<int>::max());  // what is due by now belongs to the old phase
  impl_->ledger.set_phase(phase);
  impl_->arm();
}

void Replayer::offer(protocol::Request request) {
  const Ledger::AccountPtr& account = impl_->ledger.current();
  const auto added = impl_->schedule.add(std::move(request), account->phase.multiplicity, steady_clock::now());
  Reading& reading = account->delta;
  ++reading.counters.offered;
  reading.counters.copies += added.copies;
  reading.counters.shed += added.shed;
  reading.replayed += added.shed;
  reading.errors += added.shed;
  impl_->arm();
}

void Replayer::turn_away(std::uint64_t requests) {
  const Ledger::AccountPtr& account = impl_->ledger.current();
  const double wanted = account->phase.multiplicity * static_cast<double>(requests);
  const auto copies = static_cast<std::uint64_t>(std::llround(std::max(wanted, 0.0)));
  Reading& reading = account->delta;
  reading.counters.offered += requests;
  reading.counters.copies += copies;
  reading.counters.shed += copies;
  reading.replayed += copies;
  reading.errors += copies;
}

void Replayer::end_connection(std::uint64_t conn_id) {
  impl_->schedule.end(conn_id, steady_clock::now());
  impl_->arm();
}

void Replayer::flush() {
  impl_->ledger.current()->delta.counters.cancelled += impl_->schedule.clear();
  while (!impl_->exchanges.empty()) impl_->abandon(impl_->exchanges.front());
}

std::size_t Replayer::in_flight() const {
  return impl_->exchanges.size();
}

std::size_t Replayer::scheduled() const {
  return impl_->schedule.copies();
}

std::vector<Reading> Replayer::take() {
  return impl_->ledger.take();
}

}  // namespace gnomon::replay
