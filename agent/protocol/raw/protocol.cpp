#include "agent/protocol/raw/client.h"
#include "agent/protocol/raw/framer.h"
#include "agent/protocol/raw/raw.h"

namespace gnomon::protocol {
namespace {

class Raw final : public Protocol {
 public:
  std::string_view name() const override { return "raw"; }
  Match match(std::string_view) const override { return Match::kNo; }
  std::unique_ptr<RequestFramer> framer(std::uint64_t conn_id, bool joined, const Limits& limits) const override {
    return std::make_unique<RawFramer>(conn_id, joined, limits);
  }
  std::unique_ptr<Client> client(const ClientSettings&) const override { return std::make_unique<RawClient>(); }
};

}  // namespace

const Protocol& raw() {
  static const Raw protocol;
  return protocol;
}

}  // namespace gnomon::protocol
