// Redis's client, on arbitrary bytes from a service.
#include "agent/protocol/redis/redis.h"
#include "tests/fuzz/invariants.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string requests =
      "SELECT 1\r\nGET a\r\nMULTI\r\nINCR b\r\nEXEC\r\nSELECT 2\r\nGET c\r\nHELLO 3\r\nPING\r\n";
  gnomon::protocol::fuzz::check_client(gnomon::protocol::redis(), requests, data, size);
  return 0;
}
