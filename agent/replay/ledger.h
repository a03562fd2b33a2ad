#pragma once
// What happened to the copies, by the phase they were due in. Pure.

#include <memory>
#include <vector>

#include "agent/replay/replayer.h"

namespace gnomon::replay {

class Ledger {
 public:
  // One phase's account: held by every copy that was due in it, so that a late answer finds it.
  struct Account {
    Phase phase;
    noise::Injector noise{{}};
    Reading delta;
  };
  using AccountPtr = std::shared_ptr<Account>;

  Ledger();
  void set_phase(const Phase& phase);
  const AccountPtr& current() const { return accounts_.back(); }
  // What was counted since the last call, one reading for each block and settledness that has something to say.
  std::vector<Reading> take();

 private:
  std::vector<AccountPtr> accounts_;  // the last is the current phase's; earlier ones still wait for answers
};

}  // namespace gnomon::replay
