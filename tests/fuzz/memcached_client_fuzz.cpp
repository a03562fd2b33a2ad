// memcached's client, on arbitrary bytes from a service.
#include "agent/protocol/memcached/memcached.h"
#include "tests/fuzz/invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string requests =
      "get a b\r\ndelete a noreply\r\nmg a v q\r\nmg b v\r\nstats\r\nset a 0 0 1\r\nx\r\n";
  gnomon::protocol::fuzz::check_client(gnomon::protocol::memcached(), requests, data, size);
  return 0;
}
