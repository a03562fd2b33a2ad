#include "agent/protocol/http2/responses.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agent/protocol/http2/unit.h"

namespace gnomon::protocol {
namespace {

// Services allow their clients 100 to 250 at once; more are of requests that were never whole, or not understood.
constexpr std::size_t kMostStreams = 256;

// Which none is longer than, unless both sides agree on more (RFC 9113 §4.2).
constexpr std::uint32_t kUsualFrameBytes = 16u << 10;

}  // namespace

void Http2Responses::expect(const Request& request, std::vector<Told>& told) {
  if (request.stream <= stopped_) return told.push_back({.stream = request.stream, .response = {}});
  const auto unit = Http2Unit::of(*request.bytes);
  Stream& expected = stream(request.stream);
  expected.expected = true;
  expected.grpc = unit && is_grpc(unit->header("content-type").value_or(""));
  told_ = &told;
  if (expected.ended) tell(request.stream);
}

bool Http2Responses::feed(std::span<const std::byte> data, std::vector<Told>& told) {
  told_ = &told;
  return reader_.read({reinterpret_cast<const char*>(data.data()), data.size()}, *this);
}

// Bytes made up in their place do as well where none of them is looked at.
bool Http2Responses::skip(std::uint64_t size, bool lost, std::vector<Told>& told) {
  static constexpr std::array<std::byte, 4096> kAnything{};
  const bool inside = size <= reader_.unread();
  size = std::min(size, reader_.unread());
  Stream* const cut =
      size > 0 && reader_.current().type == Http2Frame::kData ? under_way(reader_.current().stream) : nullptr;
  if (cut != nullptr) {
    cut->response.gap();
    cut->damaged = cut->damaged || lost;
  }
  bool good = inside;
  while (size > 0) {
    const auto here = std::min<std::uint64_t>(size, kAnything.size());
    good = feed(std::span(kAnything).first(here), told) && good;
    size -= here;
  }
  return good;
}

void Http2Responses::stop(std::uint32_t last, std::vector<Told>& told) {
  for (const auto& [id, stream] : streams_)
    if (stream.begun) last = std::max(last, id);
  const auto kept = streams_.upper_bound(last);
  for (auto of = streams_.begin(); of != kept; ++of)
    if (Stream& stream = of->second; stream.expected)
      told.push_back({.stream = of->first, .response = stream.response.so_far(stream.grpc), .damaged = stream.damaged});
  streams_.erase(streams_.begin(), kept);
  stopped_ = std::max(stopped_, last);
}

void Http2Responses::resume() {
  reader_.restart();
  decoder_.forget();
  block_ = 0;
  sure_ = false;
}

// Of what may be a frame, or bytes of a body: whether it can be in front of a response that begins, or begin one.
bool Http2Responses::may_come_first(const Http2Frame& frame) const {
  if (frame.length > kUsualFrameBytes || frame.type > Http2Frame::kContinuation) return false;
  if (frame.stream <= stopped_ || frame.type == Http2Frame::kWindowUpdate) return true;
  const auto found = streams_.find(frame.stream);
  return found != streams_.end() && found->second.expected &&
         (frame.type == Http2Frame::kHeaders || frame.type == Http2Frame::kContinuation);
}

bool Http2Responses::frame(const Http2Frame& frame) {
  if (!sure_ && !may_come_first(frame)) return false;
  if (block_ != 0 && (frame.type != Http2Frame::kContinuation || frame.stream != block_)) return false;
  if (frame.type == Http2Frame::kContinuation) return block_ != 0;
  if (frame.type == Http2Frame::kHeaders) {
    block_ = frame.stream;
    block_ends_ = frame.has(Http2Frame::kEndStream);
  }
  return true;
}

bool Http2Responses::payload(const Http2Frame& frame, std::string_view piece, bool last) {
  Stream* const of = under_way(frame.stream);
  if (frame.type == Http2Frame::kData) {
    if (of != nullptr) of->response.body(piece);
    return true;
  }
  return decoder_.decode(piece, last && frame.has(Http2Frame::kEndHeaders), [&](const nghttp2_nv& nv) {
    if (of != nullptr) of->response.field(http2_name(nv), http2_value(nv));
  });
}

bool Http2Responses::frame_end(const Http2Frame& frame) {
  bool ends = frame.type == Http2Frame::kData && frame.has(Http2Frame::kEndStream);
  if (block_ != 0 && frame.has(Http2Frame::kEndHeaders)) {
    ends = block_ends_;
    block_ = 0;
    sure_ = sure_ || frame.stream > stopped_;
  }
  ends = ends || frame.type == Http2Frame::kRstStream;
  Stream* const of = ends ? under_way(frame.stream) : nullptr;
  if (of == nullptr) return true;
  if (frame.type == Http2Frame::kRstStream) of->response.reset();
  of->ended = true;
  tell(frame.stream);
  return true;
}

// One of which more comes than it may have is not told: the first are the likeliest to have no request.
Http2Responses::Stream& Http2Responses::stream(std::uint32_t id) {
  const auto [found, inserted] = streams_.try_emplace(id, keep_);
  if (inserted && streams_.size() > kMostStreams)
    streams_.erase(streams_.begin() != found ? streams_.begin() : std::next(streams_.begin()));
  return found->second;
}

// Of whose response something comes; null: it is not told any more.
Http2Responses::Stream* Http2Responses::under_way(std::uint32_t id) {
  if (id <= stopped_) return nullptr;
  Stream& of = stream(id);
  of.begun = true;
  return &of;
}

// If its request has come.
void Http2Responses::tell(std::uint32_t id) {
  const auto found = streams_.find(id);
  if (!found->second.expected) return;
  Stream& stream = found->second;
  told_->push_back({.stream = id, .response = stream.response.whole(stream.grpc), .damaged = stream.damaged});
  streams_.erase(found);
}

}  // namespace gnomon::protocol
