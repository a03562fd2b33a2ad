// HTTP/2's framer on arbitrary bytes; its units are decompressed.
#include "agent/protocol/http2/http2.h"
#include "tests/fuzz/invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  gnomon::protocol::fuzz::check_framer(gnomon::protocol::http2(), data, size, /*verbatim=*/false);
  return 0;
}
