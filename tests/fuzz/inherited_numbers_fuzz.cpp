// Which descriptors a service inherited, from an arbitrary environment and arguments: nothing but what is promised and
// what listens, standard input always, and nothing that was promised to another process.
// Input: bits of the listeners, arguments that end with zero bytes, an empty one, the environment.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <ranges>
#include <string>

#include "agent/shadow/inherited_numbers.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool includes(const std::set<int>& all, const std::set<int>& some) {
  return std::ranges::includes(all, some);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gnomon::shadow;
  constexpr pid_t kPid = 42, kOther = 43;
  if (size < 1) return 0;
  std::set<int> listeners;
  for (int bit = 0; bit < 8; ++bit)
    if (data[0] >> bit & 1) listeners.insert(bit);
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t end = std::min(text.find(std::string(2, '\0')), text.size());
  const std::vector<std::string> argv = entries_of(text.substr(0, end));
  const std::string environment = end < text.size() ? text.substr(end + 2) : "";

  const std::set<int> none = inherited_numbers(environment, argv, kPid, {});
  const std::set<int> all = inherited_numbers(environment, argv, kPid, listeners);
  const std::set<int> named = inherited_numbers(environment, argv, kOther, listeners);
  require(none.size() <= kMostPromised);
  if (!none.empty())
    require(*none.begin() == kFirstPromised && *none.rbegin() == kFirstPromised + static_cast<int>(none.size()) - 1);
  std::set<int> known = none;
  known.insert(listeners.begin(), listeners.end());
  require(includes(all, none) && includes(known, all));
  for (const int listener : listeners)
    if (listener < kFirstPromised) require(all.contains(listener) && named.contains(listener));
  // What one is promised is not the other's.
  const std::set<int> others = inherited_numbers(environment, argv, kOther, {});
  require(none.empty() || others.empty());
  std::set<int> expected = none;
  expected.insert(named.begin(), named.end());
  require(!others.empty() || all == expected);
  return 0;
}
