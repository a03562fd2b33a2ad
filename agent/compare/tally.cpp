#include "agent/compare/tally.h"

namespace gnomon::compare {

void Tally::count(const std::string& endpoint, Outcome outcome) {
  const std::lock_guard lock(mutex_);
  auto found = classes_.find(endpoint);
  if (found == classes_.end()) {
    const std::string name(classes_.size() < kMostClasses ? endpoint : kOthers);
    found = classes_.try_emplace(name, Counts{.endpoint = name}).first;
  }
  ++found->second.count[static_cast<std::size_t>(outcome)];
}

std::vector<Counts> Tally::counts() const {
  const std::lock_guard lock(mutex_);
  std::vector<Counts> all;
  for (const auto& [name, counts] : classes_) all.push_back(counts);
  return all;
}

bool Tally::hold(std::size_t bytes) {
  if (held_ + bytes > most_held_) return false;  // two at once may pass it, by as much as a response
  held_ += bytes;
  return true;
}

}  // namespace gnomon::compare
