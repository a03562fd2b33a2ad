#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "agent/protocol/endpoint.h"
#include "agent/protocol/http1/http1.h"

namespace gnomon::protocol {

using State = RequestFramer::State;

// Bytes stay in the caller's buffer until the end of the feed: a request that came in one piece is copied once, into
// its own string; of one that did not, `message` holds what earlier feeds brought. Nothing is scanned twice.
struct Http1RequestFramer::Impl {
  enum class Stage { kBetween, kRequestLine, kFields, kLength, kChunkSize, kChunkData, kChunkEnd, kTrailers };

  Impl(std::uint64_t conn, bool joined, const Limits& the_limits)
      : conn_id(conn), limits(the_limits), state(joined ? State::kJoining : State::kFraming) {}

  const std::uint64_t conn_id;
  const Limits limits;
  State state;
  bool trying = false;      // while joining: what comes may be the first request
  bool last = false;        // the client asked to close: a service reads nothing after that request
  bool half_blank = false;  // between messages: the CR of an empty line has come
  Stage stage = Stage::kBetween;

  std::string message;
  const char *begin = nullptr, *pos = nullptr, *end = nullptr;  // of this feed: not yet in `message`; cursor; end
  std::size_t line_offset = 0;                                  // in the message, where the line under way begins
  std::uint64_t remaining = 0;                                  // of the body or chunk
  Http1Fields fields;
  Request request;

  void feed(std::string_view data, MonoTime at, bool after_send, std::vector<Request>& out);
  bool step(MonoTime at, std::vector<Request>& out);
  bool between(MonoTime at);
  bool take_line(std::string_view* line);
  void request_line(std::string_view line);
  void header_end(std::vector<Request>& out);
  void chunk_size(std::string_view line);
  bool take_body();
  void emit(std::vector<Request>& out);
  void give_up(State why);
  void forget_message();
  bool finished() const { return given_up(state); }
  // Whether what the service has sent is the interim response that the client asked for before the body.
  bool answered_inside() const {
    const bool in_body = stage != Stage::kBetween && stage != Stage::kRequestLine && stage != Stage::kFields;
    return in_body && fields.expects_continue;
  }
  std::size_t size() const { return message.size() + static_cast<std::size_t>(pos - begin); }
  void keep() {
    message.append(begin, static_cast<std::size_t>(pos - begin));
    begin = pos;
  }
};

void Http1RequestFramer::Impl::feed(std::string_view data, MonoTime at, bool after_send, std::vector<Request>& out) {
  if (finished()) return;
  if (state == State::kJoining) {
    if (after_send && !answered_inside()) {
      forget_message();
      trying = true;
    }
    if (!trying) return;
  }
  begin = pos = data.data();
  end = pos + data.size();
  while (pos != end && step(at, out)) {
  }
  if (stage != Stage::kBetween) {
    keep();
  }
  begin = pos = end = nullptr;
}

// Consumes one element. False: no more of this feed is wanted.
bool Http1RequestFramer::Impl::step(MonoTime at, std::vector<Request>& out) {
  std::string_view line;
  switch (stage) {
    case Stage::kBetween:
      return between(at);
    case Stage::kLength:
    case Stage::kChunkData:
      if (!take_body()) return false;
      if (stage == Stage::kLength) {
        emit(out);
      } else {
        stage = Stage::kChunkEnd;
        line_offset = size();
      }
      return true;
    default:
      break;
  }
  if (!take_line(&line)) return false;
  switch (stage) {
    case Stage::kRequestLine:
      request_line(line);
      break;
    case Stage::kFields:
      if (line.empty()) {
        header_end(out);
      } else if (!fields.add(line)) {
        give_up(State::kUnparsable);
      }
      break;
    case Stage::kChunkSize:
      chunk_size(line);
      break;
    case Stage::kChunkEnd:
      stage = Stage::kChunkSize;
      if (!line.empty()) give_up(State::kUnparsable);
      break;
    default:  // kTrailers
      if (line.empty()) {
        emit(out);
      } else if (Http1Fields ignored; !ignored.add(line)) {
        give_up(State::kUnparsable);
      }
      break;
  }
  return pos != end;
}

// Between messages: empty lines are passed over (RFC 9112 §2.2), anything else begins a request.
bool Http1RequestFramer::Impl::between(MonoTime at) {
  if (*pos == (half_blank ? '\n' : '\r')) {
    half_blank = !half_blank;
    begin = ++pos;
    return true;
  }
  if (half_blank || last) {
    give_up(State::kUnparsable);
    return false;
  }
  stage = Stage::kRequestLine;
  line_offset = 0;
  fields = {};
  request = {.conn_id = conn_id, .arrival = at, .protocol = &http1()};
  return true;
}

// The next line, without its CRLF. False: it is not whole yet, or not a line, or too long.
bool Http1RequestFramer::Impl::take_line(std::string_view* line) {
  const bool began_before = line_offset < size();
  const auto* newline = static_cast<const char*>(std::memchr(pos, '\n', static_cast<std::size_t>(end - pos)));
  const char* const line_begin = pos;
  pos = newline == nullptr ? end : newline + 1;
  const bool in_header = stage == Stage::kRequestLine || stage == Stage::kFields;
  if (size() - (in_header ? 0 : line_offset) > limits.header_bytes || size() > limits.message_bytes) {
    give_up(State::kOversized);
    return false;
  }
  if (newline == nullptr) return false;
  if (began_before) {
    keep();
    *line = std::string_view(message).substr(line_offset);
  } else {
    *line = std::string_view(line_begin, static_cast<std::size_t>(pos - line_begin));
  }
  line_offset = size();
  line->remove_suffix(1);
  if (line->empty() || line->back() != '\r') {
    give_up(State::kUnparsable);
    return false;
  }
  line->remove_suffix(1);
  // A bare CR or a NUL anywhere is read differently by different services.
  if (std::memchr(line->data(), '\r', line->size()) != nullptr ||
      std::memchr(line->data(), '\0', line->size()) != nullptr) {
    give_up(State::kUnparsable);
    return false;
  }
  return true;
}

void Http1RequestFramer::Impl::request_line(std::string_view line) {
  const auto first = line.find(' '), second = line.rfind(' ');
  const std::string_view method = line.substr(0, first);
  const std::string_view target = first == second ? "" : line.substr(first + 1, second - first - 1);
  const int minor = second == std::string_view::npos ? -1 : http1_minor_version(line.substr(second + 1));
  const bool bad_target = target.empty() || std::any_of(target.begin(), target.end(), [](char c) {
                            return static_cast<unsigned char>(c) <= ' ' || c == '\x7f';
                          });
  if (!is_http1_token(method) || bad_target || minor < 0) return give_up(State::kUnparsable);
  state = State::kFraming;
  trying = false;
  stage = Stage::kFields;
  request.endpoint = http_endpoint(method, target);
  request.write = !(method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE");
  request.head = method == "HEAD";
  request.close = minor == 0;  // until a keep-alive says otherwise
  if (method == "CONNECT") give_up(State::kUpgraded);
}

void Http1RequestFramer::Impl::header_end(std::vector<Request>& out) {
  const bool old = request.close;
  request.close = fields.close || (old && !fields.keep_alive);
  // Both lengths, a coding the end of which cannot be told, or a coding in HTTP/1.0: RFC 9112 §6.1 and §6.3.
  if (fields.transfer_encoding && (fields.length || !fields.chunked || old)) return give_up(State::kUnparsable);
  if (fields.upgrade) return give_up(State::kUpgraded);
  if (fields.chunked) {
    stage = Stage::kChunkSize;
    return;
  }
  remaining = fields.length.value_or(0);
  if (remaining == 0) return emit(out);
  if (remaining > limits.message_bytes || size() + remaining > limits.message_bytes) return give_up(State::kOversized);
  stage = Stage::kLength;
}

void Http1RequestFramer::Impl::chunk_size(std::string_view line) {
  const auto chunk = parse_http1_chunk_size(line);
  if (!chunk) return give_up(State::kUnparsable);
  if (*chunk > limits.message_bytes || size() + *chunk > limits.message_bytes) return give_up(State::kOversized);
  remaining = *chunk;
  stage = remaining == 0 ? Stage::kTrailers : Stage::kChunkData;
}

// True: the body or chunk is whole.
bool Http1RequestFramer::Impl::take_body() {
  const auto here = std::min<std::uint64_t>(remaining, static_cast<std::uint64_t>(end - pos));
  pos += here;
  remaining -= here;
  return remaining == 0;
}

void Http1RequestFramer::Impl::emit(std::vector<Request>& out) {
  if (message.empty()) {
    request.bytes = std::make_shared<const std::string>(begin, pos);
  } else {
    keep();
    request.bytes = std::make_shared<const std::string>(std::move(message));
    message.clear();
  }
  begin = pos;
  last = request.close;
  stage = Stage::kBetween;
  out.push_back(std::move(request));
}

void Http1RequestFramer::Impl::give_up(State why) {
  // While joining, what is no request is the middle of something: wait for the next chance.
  if (state == State::kJoining) {
    trying = false;
  } else {
    state = why;
  }
  forget_message();
  begin = pos = end;
}

void Http1RequestFramer::Impl::forget_message() {
  stage = Stage::kBetween;
  half_blank = false;
  std::string().swap(message);
}

Http1RequestFramer::Http1RequestFramer(std::uint64_t conn_id, bool joined, const Limits& limits)
    : impl_(std::make_unique<Impl>(conn_id, joined, limits)) {}
Http1RequestFramer::~Http1RequestFramer() = default;

void Http1RequestFramer::feed(std::span<const std::byte> data, MonoTime at, bool after_send,
                              std::vector<Request>& out) {
  impl_->feed({reinterpret_cast<const char*>(data.data()), data.size()}, at, after_send, out);
}

RequestFramer::State Http1RequestFramer::state() const {
  return impl_->state;
}

bool Http1RequestFramer::mid_message() const {
  return impl_->state == State::kFraming && impl_->stage != Impl::Stage::kBetween;
}

std::size_t Http1RequestFramer::held_bytes() const {
  return impl_->message.size();
}

}  // namespace gnomon::protocol
