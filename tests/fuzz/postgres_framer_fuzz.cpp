// PostgreSQL's framer on arbitrary bytes; it repairs some units, so that they are not pieces of the stream.
#include "agent/protocol/postgres/postgres.h"
#include "tests/fuzz/invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gnomon::protocol::fuzz::check_framer(gnomon::protocol::postgres(), data, size, /*verbatim=*/false);
  return 0;
}
