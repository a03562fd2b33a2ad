#include <algorithm>
#include <string>

#include "agent/protocol/endpoint.h"
#include "agent/protocol/http2/http2.h"
#include "agent/protocol/http2/responses.h"
#include "agent/protocol/http2/unit.h"

namespace gnomon::protocol {
namespace {

class Http2 final : public Protocol {
 public:
  std::string_view name() const override { return "http2"; }

  Match match(std::string_view first) const override {
    if (first.size() >= kHttp2Preface.size()) return first.starts_with(kHttp2Preface) ? Match::kYes : Match::kNo;
    return kHttp2Preface.starts_with(first) ? Match::kMaybe : Match::kNo;
  }

  std::unique_ptr<RequestFramer> framer(std::uint64_t conn_id, bool joined, const Limits& limits) const override {
    return std::make_unique<Http2RequestFramer>(conn_id, joined, limits);
  }

  std::unique_ptr<Client> client(const ClientSettings& settings) const override { return http2_client(settings); }

  std::unique_ptr<StreamReader> stream_responses(std::size_t kept_body_bytes) const override {
    return std::make_unique<Http2Responses>(kept_body_bytes);
  }

  // "header:NAME", NAME in any case; "header:host" is :authority where there is no such field.
  std::optional<std::uint64_t> key(const Request& request, std::string_view selector) const override {
    constexpr std::string_view kHeader = "header:";
    const auto unit = Http2Unit::of(*request.bytes);
    if (!unit || !selector.starts_with(kHeader)) return std::nullopt;
    std::string wanted(selector.substr(kHeader.size()));
    std::transform(wanted.begin(), wanted.end(), wanted.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    auto value = unit->header(wanted);
    if (!value && wanted == "host") value = unit->header(":authority");
    return value ? std::optional(stable_hash(*value)) : std::nullopt;
  }

  std::optional<std::string_view> alpn() const override { return "h2"; }
  std::string authority(const Request& request) const override {
    const auto unit = Http2Unit::of(*request.bytes);
    return unit ? std::string(unit->header(":authority").value_or("")) : std::string();
  }
};

}  // namespace

const Protocol& http2() {
  static const Http2 protocol;
  return protocol;
}

}  // namespace gnomon::protocol
