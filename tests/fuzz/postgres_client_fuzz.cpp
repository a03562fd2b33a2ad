// PostgreSQL's client, on arbitrary bytes from a service.
#include "agent/protocol/postgres/postgres.h"
#include "tests/fuzz/invariants.h"
#include "tests/unit/postgres_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gnomon::protocol::pg;
  namespace pg = gnomon::protocol::pg;  // sync is a function of the system as well
  static const std::string requests = startup() + query("SET a = 1") + parse("s", "SELECT 1") + pg::sync() + bind("s") +
                                      execute() + pg::sync() + query("BEGIN") + query("UPDATE t SET a = 1") +
                                      query("COMMIT") + query("SELECT 2");
  gnomon::protocol::fuzz::check_client(gnomon::protocol::postgres(), requests, data, size);
  return 0;
}
