#pragma once
// A whole captured request: the unit of replay.

#include <cstdint>
#include <memory>
#include <string>

#include "common/clock.h"

namespace gnomon::protocol {

struct Request {
  std::uint64_t conn_id = 0;
  MonoTime arrival{};                        // when the kernel had queued its first byte for production
  std::shared_ptr<const std::string> bytes;  // exactly as received; shared by its replays
  bool head = false;                         // HEAD: the response has no body
  bool close = false;                        // the client asked for the connection to be closed after it
};

}  // namespace gnomon::protocol
