#include <array>

#include "agent/protocol/http1/http1.h"
#include "agent/protocol/http2/http2.h"
#include "agent/protocol/memcached/memcached.h"
#include "agent/protocol/postgres/postgres.h"
#include "agent/protocol/protocol.h"
#include "agent/protocol/redis/redis.h"

namespace gnomon::protocol {

std::span<const Protocol* const> protocols() {
  static const std::array<const Protocol*, 5> all = {&http2(), &http1(), &postgres(), &memcached(), &redis()};
  return all;
}

}  // namespace gnomon::protocol
