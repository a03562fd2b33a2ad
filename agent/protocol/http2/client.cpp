#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <unordered_map>
#include <utility>

#include "agent/protocol/http2/http2.h"
#include "agent/protocol/http2/response.h"
#include "agent/protocol/http2/unit.h"

namespace gnomon::protocol {
namespace {

// Of requests at once, where the service allows more: what it allows before its SETTINGS are known (RFC 9113 §6.5.2
// recommends no service to allow less).
constexpr std::uint32_t kMostConcurrent = 100;
// What the service may send unasked: bodies are read and dropped, so that it never waits for this side.
constexpr std::int32_t kStreamWindow = 16 << 20, kConnectionWindow = 256 << 20;
// A captured header list has kept within the framer's limits; nghttp2's own is close to their default.
constexpr std::size_t kMostHeaderBytes = 16u << 20;
// How often a request that the service refuses unprocessed (RFC 9113 §8.7) is sent again.
constexpr int kMostTries = 3;

struct SessionDeleter {
  void operator()(nghttp2_session* session) const { nghttp2_session_del(session); }
};
struct CallbacksDeleter {
  void operator()(nghttp2_session_callbacks* callbacks) const { nghttp2_session_callbacks_del(callbacks); }
};
struct OptionDeleter {
  void operator()(nghttp2_option* option) const { nghttp2_option_del(option); }
};

struct Exchange {
  explicit Exchange(std::size_t kept_body_bytes) : response(kept_body_bytes) {}
  std::uint64_t tag = 0;
  std::shared_ptr<const std::string> bytes;  // which the views are of
  Http2Unit unit;
  std::size_t sent = 0;  // of the body
  bool grpc = false;
  Http2Response response;
  bool answered = false;
  int tries = 1;
};

// False: the list is malformed.
bool fields_of(std::string_view list, std::vector<nghttp2_nv>& fields) {
  fields.clear();
  while (!list.empty()) {
    const auto field = take_http2_field(list);
    if (!field) return false;
    const auto octets = [](std::string_view text) {
      return reinterpret_cast<std::uint8_t*>(const_cast<char*>(text.data()));  // nghttp2 does not write to it
    };
    const int flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE |
                      (field->never_indexed ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE);
    fields.push_back({.name = octets(field->name),
                      .value = octets(field->value),
                      .namelen = field->name.size(),
                      .valuelen = field->value.size(),
                      .flags = static_cast<std::uint8_t>(flags)});
  }
  return true;
}

// nghttp2's client session, fed and emptied by hand. Its callbacks run within receive() and flush().
class Http2Client final : public Client {
 public:
  explicit Http2Client(const ClientSettings& settings);

  void start(const Request&, std::string& out) override { flush(out); }
  std::size_t concurrency() const override;
  bool reusable() const override { return !broken_ && !leaving_ && nghttp2_session_check_request_allowed(session()); }
  void send(const Request& request, std::uint64_t tag, std::string& out) override;
  bool cancel(std::uint64_t tag, std::string& out) override;
  bool receive(std::span<const std::byte> data, std::vector<Answer>& answers, std::string& out) override;
  bool untouched() const override { return lost_ > 0 && lost_ == unanswered_; }

 private:
  using Exchanges = std::unordered_map<std::int32_t, std::unique_ptr<Exchange>>;

  nghttp2_session* session() const { return session_.get(); }
  void submit(std::unique_ptr<Exchange> exchange);
  void fail(const Exchange& exchange) {
    answers_.push_back({.tag = exchange.tag, .status = 0, .error = true, .size = 0});
  }
  void answer(std::int32_t stream, Exchange& exchange);
  bool flush(std::string& out);
  Exchange* find(std::int32_t stream) const {
    const auto found = exchanges_.find(stream);
    return found == exchanges_.end() ? nullptr : found->second.get();
  }
  void register_callbacks(nghttp2_session_callbacks* callbacks);
  void headers_end(const nghttp2_frame& frame);
  void closed(std::int32_t stream, std::uint32_t error);
  ssize_t read_body(std::int32_t stream, std::uint8_t* buffer, std::size_t room, std::uint32_t* flags);

  const std::size_t keep_;
  std::unique_ptr<nghttp2_session, SessionDeleter> session_;
  Exchanges exchanges_;                             // by stream, until it is closed on both sides
  std::vector<std::unique_ptr<Exchange>> refused_;  // to be sent again once nghttp2 is out of its callbacks
  std::size_t lost_ = 0;                            // refused, and not to be sent again here
  std::size_t unanswered_ = 0;
  std::vector<Answer> answers_;
  std::vector<nghttp2_nv> fields_;
  bool leaving_ = false;  // the service has sent GOAWAY
  bool broken_ = false;
};

Http2Client::Http2Client(const ClientSettings& settings) : keep_(settings.kept_body_bytes) {
  nghttp2_session_callbacks* made_callbacks = nullptr;
  nghttp2_option* made_option = nullptr;
  nghttp2_session* made = nullptr;
  if (nghttp2_session_callbacks_new(&made_callbacks) != 0) throw std::bad_alloc();
  const std::unique_ptr<nghttp2_session_callbacks, CallbacksDeleter> callbacks(made_callbacks);
  if (nghttp2_option_new(&made_option) != 0) throw std::bad_alloc();
  const std::unique_ptr<nghttp2_option, OptionDeleter> option(made_option);
  nghttp2_option_set_max_send_header_block_length(option.get(), kMostHeaderBytes);
  nghttp2_option_set_no_closed_streams(option.get(), 1);
  register_callbacks(callbacks.get());
  if (nghttp2_session_client_new2(&made, callbacks.get(), this, option.get()) != 0) throw std::bad_alloc();
  session_.reset(made);
  const std::array<nghttp2_settings_entry, 2> wanted = {{
      {.settings_id = NGHTTP2_SETTINGS_ENABLE_PUSH, .value = 0},
      {.settings_id = NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, .value = kStreamWindow},
  }};
  if (nghttp2_submit_settings(made, NGHTTP2_FLAG_NONE, wanted.data(), wanted.size()) != 0 ||
      nghttp2_session_set_local_window_size(made, NGHTTP2_FLAG_NONE, 0, kConnectionWindow) != 0)
    throw std::bad_alloc();
}

void Http2Client::register_callbacks(nghttp2_session_callbacks* callbacks) {
  nghttp2_session_callbacks_set_on_header_callback(
      callbacks, [](nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                    const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* self) {
        if (Exchange* exchange = static_cast<Http2Client*>(self)->find(frame->hd.stream_id))
          exchange->response.field({reinterpret_cast<const char*>(name), name_size},
                                   {reinterpret_cast<const char*>(value), value_size});
        return 0;
      });
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
      callbacks,
      [](nghttp2_session*, std::uint8_t, std::int32_t stream, const std::uint8_t* data, std::size_t size, void* self) {
        if (Exchange* exchange = static_cast<Http2Client*>(self)->find(stream))
          exchange->response.body({reinterpret_cast<const char*>(data), size});
        return 0;
      });
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks,
                                                       [](nghttp2_session*, const nghttp2_frame* frame, void* self) {
                                                         static_cast<Http2Client*>(self)->headers_end(*frame);
                                                         return 0;
                                                       });
  nghttp2_session_callbacks_set_on_stream_close_callback(
      callbacks, [](nghttp2_session*, std::int32_t stream, std::uint32_t error, void* self) {
        static_cast<Http2Client*>(self)->closed(stream, error);
        return 0;
      });
}

std::size_t Http2Client::concurrency() const {
  const std::uint32_t allowed = nghttp2_session_get_remote_settings(session(), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
  return std::clamp<std::uint32_t>(allowed, 1, kMostConcurrent);
}

void Http2Client::send(const Request& request, std::uint64_t tag, std::string& out) {
  auto exchange = std::make_unique<Exchange>(keep_);
  exchange->tag = tag;
  exchange->bytes = request.bytes;
  ++unanswered_;
  if (const auto unit = Http2Unit::of(*request.bytes)) {
    exchange->unit = *unit;
    exchange->grpc = is_grpc(unit->header("content-type").value_or(""));
    submit(std::move(exchange));
  } else {
    fail(*exchange);
  }
  flush(out);
}

bool Http2Client::cancel(std::uint64_t tag, std::string& out) {
  const auto found =
      std::ranges::find_if(exchanges_, [&](const auto& of) { return of.second->tag == tag && !of.second->answered; });
  if (broken_ || found == exchanges_.end()) return false;
  nghttp2_submit_rst_stream(session(), NGHTTP2_FLAG_NONE, found->first, NGHTTP2_CANCEL);
  exchanges_.erase(found);
  --unanswered_;
  return flush(out);
}

// Where nghttp2 takes it not, it is answered as failed with the next bytes that come.
void Http2Client::submit(std::unique_ptr<Exchange> exchange) {
  nghttp2_data_provider body{};
  body.source.ptr = this;
  body.read_callback = [](nghttp2_session*, std::int32_t stream, std::uint8_t* buffer, std::size_t room,
                          std::uint32_t* flags, nghttp2_data_source* source, void*) {
    return static_cast<Http2Client*>(source->ptr)->read_body(stream, buffer, room, flags);
  };
  const bool more = !exchange->unit.body.empty() || !exchange->unit.trailers.empty();
  const std::int32_t stream =
      fields_of(exchange->unit.headers, fields_)
          ? nghttp2_submit_request(session(), nullptr, fields_.data(), fields_.size(), more ? &body : nullptr, nullptr)
          : -1;
  if (stream < 0) return fail(*exchange);
  exchanges_.emplace(stream, std::move(exchange));
}

ssize_t Http2Client::read_body(std::int32_t stream, std::uint8_t* buffer, std::size_t room, std::uint32_t* flags) {
  Exchange* const exchange = find(stream);
  if (exchange == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  const std::string_view left = exchange->unit.body.substr(exchange->sent);
  const std::size_t size = std::min(room, left.size());
  std::memcpy(buffer, left.data(), size);
  exchange->sent += size;
  if (size < left.size()) return static_cast<ssize_t>(size);
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (!exchange->unit.trailers.empty()) {
    if (!fields_of(exchange->unit.trailers, fields_)) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (nghttp2_submit_trailer(session(), stream, fields_.data(), fields_.size()) != 0)
      return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  return static_cast<ssize_t>(size);
}

void Http2Client::headers_end(const nghttp2_frame& frame) {
  if (frame.hd.type == NGHTTP2_GOAWAY) leaving_ = true;
  if (frame.hd.type != NGHTTP2_HEADERS && frame.hd.type != NGHTTP2_DATA) return;
  Exchange* const exchange = find(frame.hd.stream_id);
  if (exchange != nullptr && (frame.hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) answer(frame.hd.stream_id, *exchange);
}

void Http2Client::answer(std::int32_t stream, Exchange& exchange) {
  if (std::exchange(exchange.answered, true)) return;
  answers_.push_back(exchange.response.answer(exchange.tag, exchange.grpc));
  // Answered before all was sent (RFC 9113 §8.1): the rest is of no use to anybody.
  if (exchange.sent < exchange.unit.body.size())
    nghttp2_submit_rst_stream(session(), NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
}

// REFUSED_STREAM is also what nghttp2 says of those that a GOAWAY leaves out.
void Http2Client::closed(std::int32_t stream, std::uint32_t error) {
  const auto found = exchanges_.find(stream);
  if (found == exchanges_.end()) return;
  std::unique_ptr<Exchange> exchange = std::move(found->second);
  exchanges_.erase(found);
  if (exchange->answered) return;
  if (error != NGHTTP2_REFUSED_STREAM) return fail(*exchange);
  refused_.push_back(std::move(exchange));
}

bool Http2Client::receive(std::span<const std::byte> data, std::vector<Answer>& answers, std::string& out) {
  if (broken_) return false;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(data.data());
  const bool understood = nghttp2_session_mem_recv(session(), bytes, data.size()) >= 0;
  for (auto& exchange : std::exchange(refused_, {})) {
    if (leaving_ || exchange->tries == kMostTries) {
      ++lost_;
      continue;
    }
    ++exchange->tries;
    exchange->sent = 0;
    exchange->response.restart();
    submit(std::move(exchange));
  }
  broken_ = !flush(out) || !understood;
  unanswered_ -= answers_.size();
  answers.insert(answers.end(), answers_.begin(), answers_.end());
  answers_.clear();
  // What is refused goes with the connection, and may be sent on another.
  if (lost_ > 0 && lost_ == unanswered_) broken_ = true;
  return !broken_ && nghttp2_session_want_read(session()) != 0;
}

bool Http2Client::flush(std::string& out) {
  while (true) {
    const std::uint8_t* bytes = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session(), &bytes);
    if (size < 0) return false;
    if (size == 0) return true;
    out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
  }
}

}  // namespace

std::unique_ptr<Client> http2_client(const ClientSettings& settings) {
  return std::make_unique<Http2Client>(settings);
}

}  // namespace gnomon::protocol
