#include "agent/shadow/ledger.h"

#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::shadow {

absl::StatusOr<std::unique_ptr<Reservation>> Ledger::reserve(Budget wanted) {
  RETURN_IF_ERROR(exchange({}, wanted));
  return std::make_unique<Reservation>(shared_from_this(), wanted);
}

Budget Ledger::free() const {
  const std::lock_guard lock(mutex_);
  return free_;
}

absl::Status Ledger::exchange(Budget held, Budget wanted) {
  const std::lock_guard lock(mutex_);
  const MilliCpu cpu{free_.cpu.value + held.cpu.value};
  const Bytes memory{free_.memory.value + held.memory.value};
  if (wanted.cpu > cpu) {
    return absl::ResourceExhaustedError(fmt::format(
        "{} CPUs are asked for, and {} of the {} CPUs of the node's shadow budget are free: lower it, or raise "
        "--budget-cpu",
        format_cpu(wanted.cpu), format_cpu(cpu), format_cpu(total_.cpu)));
  }
  if (wanted.memory > memory) {
    return absl::ResourceExhaustedError(fmt::format(
        "{} of memory are asked for, and {} of the {} of the node's shadow budget are free: lower it, or raise "
        "--budget-memory",
        format_bytes(wanted.memory), format_bytes(memory), format_bytes(total_.memory)));
  }
  free_.cpu.value = cpu.value - wanted.cpu.value;
  free_.memory.value = memory.value - wanted.memory.value;
  return absl::OkStatus();
}

Reservation::~Reservation() {
  (void)ledger_->exchange(taken_, {});  // giving back never fails
}

Budget Reservation::within_reach() const {
  const Budget free = ledger_->free();
  return {MilliCpu{taken_.cpu.value + free.cpu.value}, Bytes{taken_.memory.value + free.memory.value}};
}

absl::Status Reservation::resize(Budget budget) {
  RETURN_IF_ERROR(ledger_->exchange(taken_, budget));
  taken_ = budget;
  return absl::OkStatus();
}

}  // namespace gnomon::shadow
