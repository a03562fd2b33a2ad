#include <algorithm>
#include <deque>
#include <utility>

#include "agent/protocol/endpoint.h"
#include "agent/protocol/http2/fields.h"
#include "agent/protocol/http2/frames.h"
#include "agent/protocol/http2/header_block.h"
#include "agent/protocol/http2/http2.h"
#include "agent/protocol/http2/unit.h"

namespace gnomon::protocol {
namespace {

// Services allow their clients 100 to 250 requests at once; more can only be open here because the service has reset
// some unseen, of which the oldest are given up.
constexpr std::size_t kMostStreams = 256;
// Of unfinished requests together, in message_bytes.
constexpr std::size_t kMostMessages = 2;
// A header block, in header_bytes, beyond which the connection is given up and not just the request.
constexpr std::size_t kMostBlocks = 4;
// Of one connection's buffer for header lists, kept from one to the next.
constexpr std::size_t kKeptBuffer = 4u << 10;
// "/package.Service/Method" of a longer name is classed as any other path.
constexpr std::size_t kLongestMethod = 128;

std::string grpc_endpoint(std::string_view path) {
  const auto second = path.find('/', 1);
  const bool usual = path.size() <= kLongestMethod && second != std::string_view::npos && second > 1 &&
                     second + 1 < path.size() && path.find_first_of("/?#", second + 1) == std::string_view::npos;
  return usual ? std::string(path) : http_endpoint("POST", path);
}

}  // namespace

using State = RequestFramer::State;

struct Http2RequestFramer::Impl final : Http2FrameSink {
  struct Stream {
    std::uint32_t id = 0;
    MonoTime arrival{};
    Http2RequestFields fields;
    std::string unit;
    std::size_t header_bytes = 0, body_bytes = 0;  // of the unit
  };
  using Streams = std::deque<Stream>;  // by id, which grows
  // What the header block under way is for.
  enum class Block { kNone, kRequest, kTrailers, kIgnored };

  Impl(std::uint64_t conn, bool joined, const Limits& the_limits)
      : conn_id(conn), limits(the_limits), state(joined ? State::kJoining : State::kFraming) {}

  const std::uint64_t conn_id;
  const Limits limits;
  State state;
  bool trying = false;                 // while joining: what comes may be the connection's start
  State failure = State::kUnparsable;  // why the sink stopped the reader
  Skipped skipped;

  Http2FrameReader reader;
  MonoTime at{}, frame_arrival{};
  std::vector<Request>* out = nullptr;
  Http2HeaderDecoder decoder;
  Streams streams;
  std::size_t held = 0;  // in their units
  std::uint32_t last_id = 0;

  Block block = Block::kNone;
  Stream request;     // block == kRequest: the one it begins
  bool ends = false;  // … or ends
  std::string list;   // the fields of the block, so far
  std::uint32_t block_id = 0;
  std::size_t block_bytes = 0;  // on the wire
  std::uint32_t data_id = 0;    // whose DATA is being kept; 0: passed over

  void feed(std::string_view data, MonoTime when, bool after_send, std::vector<Request>& requests);
  bool frame(const Http2Frame& frame) override;
  bool payload(const Http2Frame& frame, std::string_view piece, bool last) override;
  bool frame_end(const Http2Frame& frame) override;

  bool begin_data(const Http2Frame& frame);
  bool begin_headers(const Http2Frame& frame);
  bool more_block(const Http2Frame& frame);
  void field(const nghttp2_nv& nv);
  void end_block();
  void end_request_headers();
  void end_trailers();
  void ignore_block(std::uint64_t Skipped::*why);
  void emit(Stream& stream, std::string unit);
  void skip(Streams::iterator stream, std::uint64_t Skipped::*why);
  bool make_room(std::uint32_t for_id, std::size_t bytes);
  Streams::iterator find(std::uint32_t id);
  void give_up(State why);
  bool stop(State why) {
    failure = why;
    return false;
  }
};

void Http2RequestFramer::Impl::feed(std::string_view data, MonoTime when, bool after_send,
                                    std::vector<Request>& requests) {
  if (given_up(state) || data.empty()) return;
  if (state == State::kJoining) {
    trying = trying || after_send;
    if (!trying) return;
    // Only a connection's start can follow: a service may have sent its SETTINGS before the client's first byte.
    failure = State::kUnjoinable;
  }
  at = when;
  if (reader.between()) frame_arrival = at;
  out = &requests;
  if (!reader.read(data, *this)) give_up(failure);
  out = nullptr;
}

bool Http2RequestFramer::Impl::frame(const Http2Frame& frame) {
  state = State::kFraming;
  failure = State::kUnparsable;
  if (block != Block::kNone && (frame.type != Http2Frame::kContinuation || frame.stream != block_id)) return false;
  switch (frame.type) {
    case Http2Frame::kData:
      return begin_data(frame);
    case Http2Frame::kHeaders:
      return begin_headers(frame);
    case Http2Frame::kContinuation:
      return block != Block::kNone && more_block(frame);
    case Http2Frame::kRstStream:
      if (frame.stream > last_id) return false;
      if (const auto stream = find(frame.stream); stream != streams.end()) skip(stream, &Skipped::cancelled);
      return true;
    default:
      return true;
  }
}

bool Http2RequestFramer::Impl::begin_data(const Http2Frame& frame) {
  data_id = 0;
  if (frame.stream > last_id) return false;
  const auto stream = find(frame.stream);
  if (stream == streams.end()) return true;  // skipped before
  if (stream->unit.size() + frame.length > limits.message_bytes || !make_room(frame.stream, frame.length)) {
    skip(find(frame.stream), &Skipped::oversized);
    return true;
  }
  data_id = frame.stream;
  return true;
}

bool Http2RequestFramer::Impl::begin_headers(const Http2Frame& frame) {
  block_id = frame.stream;
  block_bytes = 0;
  ends = frame.has(Http2Frame::kEndStream);
  list.clear();
  if (frame.stream > last_id) {
    last_id = frame.stream;
    block = Block::kRequest;
    request = {.id = frame.stream, .arrival = frame_arrival, .fields = {}, .unit = {}};
  } else if (const auto stream = find(frame.stream); stream == streams.end()) {
    block = Block::kIgnored;  // the trailers of a request skipped before
  } else if (!ends) {
    skip(stream, &Skipped::malformed);
    block = Block::kIgnored;
  } else {
    block = Block::kTrailers;
  }
  return more_block(frame);
}

bool Http2RequestFramer::Impl::more_block(const Http2Frame& frame) {
  block_bytes += frame.length;
  return block_bytes <= kMostBlocks * limits.header_bytes || stop(State::kOversized);
}

bool Http2RequestFramer::Impl::payload(const Http2Frame& frame, std::string_view piece, bool last) {
  if (frame.type != Http2Frame::kData)
    return decoder.decode(piece, last && frame.has(Http2Frame::kEndHeaders),
                          [this](const nghttp2_nv& nv) { field(nv); });
  if (data_id == 0) return true;
  Stream& stream = *find(data_id);
  stream.unit.append(piece);
  stream.body_bytes += piece.size();
  held += piece.size();
  return true;
}

bool Http2RequestFramer::Impl::frame_end(const Http2Frame& frame) {
  frame_arrival = at;
  if (frame.type == Http2Frame::kData && data_id != 0 && frame.has(Http2Frame::kEndStream)) {
    const auto stream = find(data_id);
    held -= stream->unit.size();
    emit(*stream, std::move(stream->unit));
    streams.erase(stream);
  } else if (block != Block::kNone && frame.has(Http2Frame::kEndHeaders)) {
    end_block();
  }
  return true;
}

void Http2RequestFramer::Impl::field(const nghttp2_nv& nv) {
  if (block == Block::kIgnored) return;
  const Http2Field field{
      .name = http2_name(nv), .value = http2_value(nv), .never_indexed = (nv.flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0};
  const bool good = block == Block::kRequest ? request.fields.add(field, list.size()) : valid_http2_trailer(field);
  if (!good) return ignore_block(&Skipped::malformed);
  if (list.size() + kHttp2FieldOverhead + field.name.size() + field.value.size() > limits.header_bytes)
    return ignore_block(&Skipped::oversized);
  append_http2_field(field, list);
}

// The request that the block belongs to is skipped.
void Http2RequestFramer::Impl::ignore_block(std::uint64_t Skipped::*why) {
  if (block == Block::kTrailers) {
    skip(find(block_id), why);
  } else {
    ++(skipped.*why);
  }
  block = Block::kIgnored;
}

void Http2RequestFramer::Impl::end_block() {
  if (block == Block::kRequest) end_request_headers();
  if (block == Block::kTrailers) end_trailers();
  block = Block::kNone;
  if (list.capacity() > kKeptBuffer) std::string().swap(list);
}

void Http2RequestFramer::Impl::end_request_headers() {
  const std::uint64_t length = request.fields.length().value_or(0);
  if (!request.fields.complete()) return ignore_block(&Skipped::malformed);
  if (request.fields.connect(list)) return ignore_block(&Skipped::unreplayable);
  if (length > limits.message_bytes) return ignore_block(&Skipped::oversized);
  request.header_bytes = list.size();
  if (ends) return emit(request, begin_http2_unit(list));
  if (streams.size() == kMostStreams) skip(streams.begin(), &Skipped::truncated);
  if (!make_room(request.id, kHttp2UnitOverhead + list.size())) return ignore_block(&Skipped::oversized);
  request.unit = begin_http2_unit(list);
  held += request.unit.size();
  streams.push_back(std::move(request));
}

void Http2RequestFramer::Impl::end_trailers() {
  const auto stream = find(block_id);
  if (stream->unit.size() + list.size() > limits.message_bytes) return skip(stream, &Skipped::oversized);
  held -= stream->unit.size();
  emit(*stream, std::move(stream->unit.append(list)));
  streams.erase(stream);
}

void Http2RequestFramer::Impl::emit(Stream& stream, std::string unit) {
  if (stream.fields.length().value_or(stream.body_bytes) != stream.body_bytes) {
    ++skipped.malformed;
    return;
  }
  set_http2_body_size(unit, static_cast<std::uint32_t>(stream.body_bytes));
  const std::string_view headers = std::string_view(unit).substr(kHttp2UnitOverhead, stream.header_bytes);
  const std::string_view method = stream.fields.method(headers), path = stream.fields.path(headers);
  Request done{.conn_id = conn_id, .arrival = stream.arrival, .protocol = &http2()};
  done.endpoint = stream.fields.grpc() && method == "POST" ? grpc_endpoint(path) : http_endpoint(method, path);
  done.write = !(method == "GET" || method == "HEAD" || method == "OPTIONS" || method == "TRACE");
  done.head = method == "HEAD";
  done.stream = stream.id;
  done.bytes = std::make_shared<const std::string>(std::move(unit));
  out->push_back(std::move(done));
}

void Http2RequestFramer::Impl::skip(Streams::iterator stream, std::uint64_t Skipped::*why) {
  ++(skipped.*why);
  held -= stream->unit.size();
  streams.erase(stream);
}

// Gives up the oldest other requests until `bytes` more fit: they may have been reset by the service long ago. False:
// they do not fit even so.
bool Http2RequestFramer::Impl::make_room(std::uint32_t for_id, std::size_t bytes) {
  const std::size_t most = kMostMessages * limits.message_bytes;
  while (held + bytes > most) {
    const auto other = std::find_if(streams.begin(), streams.end(), [&](const Stream& s) { return s.id != for_id; });
    if (other == streams.end()) return false;
    skip(other, &Skipped::truncated);
  }
  return true;
}

Http2RequestFramer::Impl::Streams::iterator Http2RequestFramer::Impl::find(std::uint32_t id) {
  const auto found = std::lower_bound(streams.begin(), streams.end(), id,
                                      [](const Stream& stream, std::uint32_t wanted) { return stream.id < wanted; });
  return found != streams.end() && found->id == id ? found : streams.end();
}

void Http2RequestFramer::Impl::give_up(State why) {
  state = why;
  skipped.truncated += streams.size();
  streams.clear();
  held = 0;
  block = Block::kNone;
  decoder.reset();
  std::string().swap(list);
}

Http2RequestFramer::Http2RequestFramer(std::uint64_t conn_id, bool joined, const Limits& limits)
    : impl_(std::make_unique<Impl>(conn_id, joined, limits)) {}
Http2RequestFramer::~Http2RequestFramer() = default;

void Http2RequestFramer::feed(std::span<const std::byte> data, MonoTime at, bool after_send,
                              std::vector<Request>& out) {
  impl_->feed({reinterpret_cast<const char*>(data.data()), data.size()}, at, after_send, out);
}

RequestFramer::State Http2RequestFramer::state() const {
  return impl_->state;
}

bool Http2RequestFramer::mid_message() const {
  return under_way() > 0;
}

std::size_t Http2RequestFramer::under_way() const {
  return impl_->streams.size() + (impl_->block == Impl::Block::kRequest ? 1 : 0);
}

std::size_t Http2RequestFramer::held_bytes() const {
  return impl_->held + impl_->list.size() + impl_->decoder.held_bytes();
}

RequestFramer::Skipped Http2RequestFramer::skipped() const {
  return impl_->skipped;
}

}  // namespace gnomon::protocol
