#pragma once
// What shadows have been promised of the node's budget.

#include <memory>
#include <mutex>

#include "absl/status/statusor.h"
#include "agent/shadow/shadow.h"

namespace gnomon::shadow {

class Ledger;

// One shadow's share; goes back with it.
class Reservation {
 public:
  Reservation(std::shared_ptr<Ledger> ledger, Budget taken) : ledger_(std::move(ledger)), taken_(taken) {}
  ~Reservation();
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  const Budget& taken() const { return taken_; }
  // kResourceExhausted, with nothing changed, if what is to be added is not free.
  absl::Status resize(Budget budget);
  // What is taken and what nobody has: may change at any time.
  Budget within_reach() const;

 private:
  const std::shared_ptr<Ledger> ledger_;
  Budget taken_;
};

class Ledger : public std::enable_shared_from_this<Ledger> {
 public:
  explicit Ledger(Budget budget) : free_(budget), total_(budget) {}
  // kResourceExhausted, with both figures and the remedy, if that much is not free.
  absl::StatusOr<std::unique_ptr<Reservation>> reserve(Budget wanted);
  Budget free() const;

 private:
  friend class Reservation;
  // `wanted` in place of `held`.
  absl::Status exchange(Budget held, Budget wanted);

  mutable std::mutex mutex_;
  Budget free_;
  const Budget total_;
};

}  // namespace gnomon::shadow
