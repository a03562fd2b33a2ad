#pragma once
// PostgreSQL's frontend/backend protocol, version 3 (the manual's chapter of that name).

#include "agent/protocol/protocol.h"

namespace gnomon::protocol {

// The unit is what the client waits for: a simple query, or everything up to a Sync; a transaction, from BEGIN to its
// end, is one unit. Statements that are not known to be reads are writes.
const Protocol& postgres();

}  // namespace gnomon::protocol
