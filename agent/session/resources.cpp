#include "agent/session/resources.h"

#include <cmath>
#include <variant>

namespace gnomon::session {

Resources resolve(const document::Profile& profile, const discovery::Instance& instance) {
  Resources resources{.io_weight = profile.io_weight};
  if (const auto* relative = std::get_if<document::RelativeToProduction>(&profile.cpu))
    resources.cpu.value = std::llround(relative->factor * static_cast<double>(instance.cpu.value));
  else
    resources.cpu = std::get<MilliCpu>(profile.cpu);
  if (const auto* relative = std::get_if<document::RelativeToProduction>(&profile.memory))
    resources.memory.value =
        static_cast<std::uint64_t>(std::llround(relative->factor * static_cast<double>(instance.memory.value)));
  else
    resources.memory = std::get<Bytes>(profile.memory);
  return resources;
}

}  // namespace gnomon::session
