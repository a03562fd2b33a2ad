#pragma once
// Redis (RESP2 and RESP3, as of Redis 7), and what speaks its protocol.

#include "agent/protocol/protocol.h"

namespace gnomon::protocol {

// The unit is one command with its one reply; from MULTI, or the WATCH before it, to EXEC or DISCARD all is one unit
// with a reply for each command. Commands that are not known to be reads are writes. What sets up the session (AUTH,
// SELECT, …) is in the prelude of what follows.
const Protocol& redis();

}  // namespace gnomon::protocol
