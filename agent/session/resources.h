#pragma once
// The limits that a profile asks for, given what production may use.

#include <optional>

#include "agent/discovery/instance.h"
#include "common/units.h"
#include "document/profile.h"

namespace gnomon::session {

struct Resources {
  MilliCpu cpu;
  Bytes memory;
  std::optional<unsigned> io_weight = {};  // as it is, unless it is set
  friend bool operator==(const Resources&, const Resources&) = default;
};

Resources resolve(const document::Profile& profile, const discovery::Instance& instance);

}  // namespace gnomon::session
