#pragma once
// memcached's text protocol with its meta commands (as of memcached 1.6), and what speaks it.

#include "agent/protocol/protocol.h"

namespace gnomon::protocol {

// The unit is one command with its one reply. Quiet meta commands of one name are one unit with the command of that
// name that ends them, or the mn, which a client says itself after whatever has no certain reply. What is not known to
// be a read is a write.
const Protocol& memcached();

}  // namespace gnomon::protocol
