// Redis's framer on arbitrary bytes.
#include "agent/protocol/redis/redis.h"
#include "tests/fuzz/invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gnomon::protocol::fuzz::check_framer(gnomon::protocol::redis(), data, size, /*verbatim=*/true);
  return 0;
}
