#include <algorithm>
#include <utility>

#include "agent/protocol/endpoint.h"
#include "agent/protocol/http1/http1.h"

namespace gnomon::protocol {
namespace {

constexpr std::size_t kLongestMethod = 32;

// One request after the other, each answered before the next is sent.
class Http1Client final : public Client {
 public:
  explicit Http1Client(const ClientSettings& settings) : keep_(settings.kept_body_bytes) {}
  std::size_t concurrency() const override { return 1; }
  bool reusable() const override { return reusable_; }

  void send(const Request& request, std::uint64_t tag, std::string& out) override {
    out += *request.bytes;
    tag_ = tag;
    awaiting_ = true;
    framer_.expect(request.head, keep_);
  }

  bool receive(std::span<const std::byte> data, std::vector<Answer>& answers, std::string&) override {
    if (!awaiting_) return false;
    std::size_t used = 0;
    const auto progress = framer_.feed(data, &used);
    if (progress == Http1ResponseFramer::Progress::kBroken) return false;
    if (progress == Http1ResponseFramer::Progress::kDone) {
      reusable_ = framer_.keep_alive() && used == data.size();
      answer(answers);
    }
    return true;
  }

  void finish(std::vector<Answer>& answers) override {
    reusable_ = false;
    if (awaiting_ && framer_.finish() == Http1ResponseFramer::Progress::kDone) answer(answers);
  }

 private:
  void answer(std::vector<Answer>& answers) {
    awaiting_ = false;
    const auto status = static_cast<std::uint32_t>(framer_.status());
    answers.push_back({.tag = tag_,
                       .status = status,
                       .error = status >= 500,
                       .size = framer_.body_bytes(),
                       .body = framer_.take_body()});
  }

  const std::size_t keep_;
  Http1ResponseFramer framer_;
  std::uint64_t tag_ = 0;
  bool awaiting_ = false, reusable_ = true;
};

class Http1Responses final : public ResponseReader {
 public:
  explicit Http1Responses(std::size_t kept_body_bytes) : keep_(kept_body_bytes) {}
  void expect(const Expectation& expectation) override { framer_.expect(expectation.head, keep_); }
  Progress feed(std::span<const std::byte> data, std::size_t* used) override { return framer_.feed(data, used); }
  Progress skip(std::uint64_t size, std::uint64_t* used) override { return framer_.skip(size, used); }
  Progress finish() override { return framer_.finish(); }
  bool until_close() const override { return framer_.until_close(); }
  Response take() override {
    const auto status = static_cast<std::uint32_t>(framer_.status());
    return {.status = status >= 200 ? std::optional(status) : std::nullopt,  // below: interim, cut off
            .size = framer_.body_size(),
            .body = framer_.take_body()};
  }

 private:
  const std::size_t keep_;
  Http1ResponseFramer framer_;
};

class Http1 final : public Protocol {
 public:
  std::string_view name() const override { return "http1"; }

  // A method, a target and a version, as far as they have come.
  Match match(std::string_view first) const override {
    while (!first.empty() && (first.front() == '\r' || first.front() == '\n')) first.remove_prefix(1);
    const auto method_end = first.find(' ');
    const std::string_view method = first.substr(0, method_end);
    if (method.size() > kLongestMethod || (!method.empty() && !is_http1_token(method))) return Match::kNo;
    if (method_end == std::string_view::npos) return Match::kMaybe;
    const auto line_end = first.find('\n');
    if (line_end == std::string_view::npos) return Match::kMaybe;
    std::string_view line = first.substr(0, line_end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const auto version = line.rfind(' ');
    return version > method_end && http1_minor_version(line.substr(version + 1)) >= 0 ? Match::kYes : Match::kNo;
  }

  std::unique_ptr<RequestFramer> framer(std::uint64_t conn_id, bool joined, const Limits& limits) const override {
    return std::make_unique<Http1RequestFramer>(conn_id, joined, limits);
  }

  std::unique_ptr<Client> client(const ClientSettings& settings) const override {
    return std::make_unique<Http1Client>(settings);
  }

  std::unique_ptr<ResponseReader> responses(std::size_t kept_body_bytes) const override {
    return std::make_unique<Http1Responses>(kept_body_bytes);
  }

  std::optional<std::uint64_t> key(const Request& request, std::string_view selector) const override {
    constexpr std::string_view kHeader = "header:";
    if (!selector.starts_with(kHeader)) return std::nullopt;
    const auto value = field(request, selector.substr(kHeader.size()));
    return value ? std::optional(stable_hash(*value)) : std::nullopt;
  }

  std::optional<std::string_view> alpn() const override { return "http/1.1"; }
  std::string authority(const Request& request) const override {
    return std::string(field(request, "host").value_or(""));
  }

 private:
  // The value of a header field.
  static std::optional<std::string_view> field(const Request& request, std::string_view name) {
    std::string_view rest = *request.bytes;
    rest.remove_prefix(std::min(rest.size(), rest.find('\n')));
    while (rest.size() > 1) {
      rest.remove_prefix(1);
      const std::string_view line = rest.substr(0, rest.find('\r'));
      if (line.empty()) break;
      const auto colon = line.find(':');
      if (colon != std::string_view::npos && equals_ignoring_case(line.substr(0, colon), name))
        return trim_blanks(line.substr(colon + 1));
      rest.remove_prefix(std::min(rest.size(), rest.find('\n')));
    }
    return std::nullopt;
  }
};

}  // namespace

const Protocol& http1() {
  static const Http1 protocol;
  return protocol;
}

}  // namespace gnomon::protocol
