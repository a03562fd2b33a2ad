#pragma once
// Whatever goes over TCP, as bytes and times: for protocols that are not known otherwise.

#include "agent/protocol/protocol.h"

namespace gnomon::protocol {

// The unit is all that a client said on one connection, from its beginning to its end, in the pieces in which it was
// said. It matches nothing: a descriptor must name it. All of it may write.
const Protocol& raw();

}  // namespace gnomon::protocol
