#include <algorithm>
#include <array>

#include "agent/protocol/http1/http1.h"
#include "agent/protocol/http2/http2.h"
#include "agent/protocol/memcached/memcached.h"
#include "agent/protocol/postgres/postgres.h"
#include "agent/protocol/protocol.h"
#include "agent/protocol/raw/raw.h"
#include "agent/protocol/redis/redis.h"

namespace gnomon::protocol {

std::span<const Protocol* const> protocols() {
  static const std::array<const Protocol*, 6> all = {&http2(), &http1(), &postgres(), &memcached(), &redis(), &raw()};
  return all;
}

const Protocol* find_protocol(std::string_view name) {
  const auto found = std::ranges::find(protocols(), name, &Protocol::name);
  return found != protocols().end() ? *found : nullptr;
}

}  // namespace gnomon::protocol
