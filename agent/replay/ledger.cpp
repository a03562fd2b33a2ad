#include "agent/replay/ledger.h"

#include <algorithm>
#include <utility>

namespace gnomon::replay {
namespace {

bool is_empty(const Reading& reading) {
  return reading.replayed == 0 && reading.errors == 0 && reading.injected_errors == 0 &&
         reading.response_time.empty() && reading.counters == telemetry::ReplayCounters{} &&
         reading.noise == noise::Tally{};
}

void add(Reading& sum, const Reading& delta) {
  sum.response_time.merge(delta.response_time);
  sum.replayed += delta.replayed;
  sum.errors += delta.errors;
  sum.injected_errors += delta.injected_errors;
  sum.counters += delta.counters;
  sum.noise += delta.noise;
}

}  // namespace

Ledger::Ledger() {
  set_phase({});
}

void Ledger::set_phase(const Phase& phase) {
  auto account = std::make_shared<Account>();
  account->phase = phase;
  account->noise = noise::Injector(phase.noise);
  accounts_.push_back(std::move(account));
}

std::vector<Reading> Ledger::take() {
  std::vector<Reading> readings;
  for (const AccountPtr& account : accounts_) {
    const Reading delta = std::exchange(account->delta, {});
    if (is_empty(delta)) continue;
    const Phase& phase = account->phase;
    auto same = std::find_if(readings.begin(), readings.end(),
                             [&](const Reading& r) { return r.block == phase.block && r.settled == phase.settled; });
    if (same == readings.end()) {
      Reading& fresh = readings.emplace_back();
      fresh.block = phase.block;
      fresh.settled = phase.settled;
      same = readings.end() - 1;
    }
    add(*same, delta);
  }
  // An earlier phase that no copy holds any more will get no further answers.
  std::erase_if(accounts_, [this](const AccountPtr& a) { return a != accounts_.back() && a.use_count() == 1; });
  return readings;
}

}  // namespace gnomon::replay
