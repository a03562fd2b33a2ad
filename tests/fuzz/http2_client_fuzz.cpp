// HTTP/2's client, on arbitrary bytes from a service. What it sends again, or resets, changes what may follow.
#include "agent/protocol/http2/http2.h"
#include "tests/fuzz/invariants.h"
#include "tests/unit/http2_client_side.h"

namespace {

std::string make_requests() {
  using namespace gnomon::protocol;
  Http2Encoder encoder;
  std::string requests(kHttp2Preface);
  requests += http2_frame(4, 0, 0, {}) + encoder.headers(1, get("/a"));
  requests += encoder.headers(3, post("/p.S/M", {{"content-type", "application/grpc"}, {"te", "trailers"}}), kWhole);
  requests += http2_frame(0, kEnd, 3, std::string(5, '\0')) + encoder.headers(5, get("/b"));
  return requests;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string requests = make_requests();
  gnomon::protocol::fuzz::check_client(gnomon::protocol::http2(), requests, data, size, /*sequential=*/false);
  return 0;
}
