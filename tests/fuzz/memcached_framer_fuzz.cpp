// memcached's framer on arbitrary bytes.
#include "agent/protocol/memcached/memcached.h"
#include "tests/fuzz/invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gnomon::protocol::fuzz::check_framer(gnomon::protocol::memcached(), data, size, /*verbatim=*/true);
  return 0;
}
