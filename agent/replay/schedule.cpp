#include "agent/replay/schedule.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace gnomon::replay {
namespace {

// Far above any load multiple a machine can take; keeps a wrong number from stopping the loop.
constexpr double kMaxCopies = 10000;

// SplitMix64's finaliser: a well mixed 64-bit hash of a 64-bit number.
std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

bool later(const Due& a, const Due& b) {
  return a.at != b.at ? a.at > b.at : a.order > b.order;
}

}  // namespace

Schedule::Schedule(Timing timing, std::uint64_t seed) : timing_(timing), seed_(seed), random_(mix(seed)) {}

// A hash and not a stored draw: a lane's shift needs no memory and no cleaning up.
Nanos Schedule::shift(std::uint64_t conn_id, std::uint32_t copy) const {
  if (copy == 0) return Nanos(0);
  const double share = static_cast<double>(mix(mix(seed_ ^ conn_id) + copy) >> 11) / 9007199254740992.0;  // 2^53
  return Nanos(std::llround(share * static_cast<double>(timing_.copy_spread.count())));
}

Schedule::Added Schedule::add(protocol::Request request, double multiplicity, MonoTime now) {
  const double wanted = multiplicity > 0 ? std::min(multiplicity, kMaxCopies) : 0;
  auto copies = static_cast<std::uint32_t>(wanted);
  if (std::bernoulli_distribution(wanted - std::floor(wanted))(random_)) ++copies;

  Source& source = sources_[request.conn_id];
  source.lanes = std::max(source.lanes, copies);
  source.last_arrival = request.arrival;
  Added added{.copies = copies, .shed = 0};
  for (std::uint32_t copy = 0; copy < copies; ++copy) {
    if (bytes_ + request.bytes->size() > timing_.max_bytes) {
      ++added.shed;
      continue;
    }
    bytes_ += request.bytes->size();
    ++copies_;
    const MonoTime wished = request.arrival + timing_.lag + shift(request.conn_id, copy);
    push({.at = std::max(wished, now),
          .conn_id = request.conn_id,
          .copy = copy,
          .overdue = now - wished > kLate,
          .request = copy + 1 == copies ? std::move(request) : request});
  }
  return added;
}

void Schedule::end(std::uint64_t conn_id, MonoTime now) {
  const auto found = sources_.find(conn_id);
  if (found == sources_.end()) return;
  const MonoTime from = std::max(now, found->second.last_arrival) + timing_.lag;
  for (std::uint32_t copy = 0; copy < found->second.lanes; ++copy)
    push({.at = from + shift(conn_id, copy), .conn_id = conn_id, .copy = copy, .request = std::nullopt});
  sources_.erase(found);
}

// Of the two that come next, of which there is one at least.
bool Schedule::heap_is_next() const {
  return queue_.empty() || (!heap_.empty() && later(queue_.front(), heap_.front()));
}

std::optional<MonoTime> Schedule::next() const {
  if (queue_.empty() && heap_.empty()) return std::nullopt;
  return heap_is_next() ? heap_.front().at : queue_.front().at;
}

std::optional<Due> Schedule::pop(MonoTime now) {
  const auto first = next();
  if (!first || *first > now) return std::nullopt;
  std::optional<Due> due;
  if (heap_is_next()) {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    due = std::move(heap_.back());
    heap_.pop_back();
  } else {
    due = std::move(queue_.front());
    queue_.pop_front();
  }
  if (due->request) {
    --copies_;
    bytes_ -= due->request->bytes->size();
  }
  return due;
}

std::size_t Schedule::clear() {
  const auto is_copy = [](const Due& due) { return due.request.has_value(); };
  std::erase_if(queue_, is_copy);
  std::erase_if(heap_, is_copy);
  std::make_heap(heap_.begin(), heap_.end(), later);
  bytes_ = 0;
  return std::exchange(copies_, 0);
}

void Schedule::push(Due due) {
  due.order = order_++;
  if (due.request && due.copy == 0 && (queue_.empty() || queue_.back().at <= due.at)) {
    queue_.push_back(std::move(due));
    return;
  }
  heap_.push_back(std::move(due));
  std::push_heap(heap_.begin(), heap_.end(), later);
}

}  // namespace gnomon::replay
