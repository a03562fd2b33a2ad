#pragma once
// Between the agent's types and the messages of the stream.

#include <vector>

#include "agent/link/link.h"
#include "gnomon/v1/control.pb.h"

namespace gnomon::link {

v1::Hello to_wire(const NodeFacts& facts);
v1::NodeStatus to_wire(const NodeReport& report);

// A desired state as far as it validates, and what to say of the rest.
struct Translated {
  DesiredState state;
  std::vector<v1::InstanceStatus> rejected_services;
  std::vector<v1::SessionStatus> rejected_sessions;  // failed, with the reason
};
Translated from_wire(const v1::DesiredState& wire);

}  // namespace gnomon::link
