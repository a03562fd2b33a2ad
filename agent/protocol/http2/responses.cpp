#include "agent/protocol/http2/responses.h"

#include <algorithm>
#include <array>
#include <utility>

#include "agent/protocol/http2/unit.h"

namespace gnomon::protocol {
namespace {

// Services allow their clients 100 to 250 at once; more are of requests that were never whole, or not understood.
constexpr std::size_t kMostStreams = 256;

}  // namespace

void Http2Responses::expect(const Request& request, std::vector<Told>& told) {
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
  if (size > 0 && reader_.current().type == Http2Frame::kData) {
    Stream& cut = stream(reader_.current().stream);
    cut.response.gap();
    cut.damaged = cut.damaged || lost;
  }
  bool good = inside;
  while (size > 0) {
    const auto here = std::min<std::uint64_t>(size, kAnything.size());
    good = feed(std::span(kAnything).first(here), told) && good;
    size -= here;
  }
  return good;
}

void Http2Responses::stop(std::vector<Told>& told) {
  for (auto& [id, stream] : std::exchange(streams_, {})) {
    if (!stream.expected) continue;
    told.push_back({.stream = id, .response = stream.response.so_far(stream.grpc), .damaged = stream.damaged});
  }
}

bool Http2Responses::frame(const Http2Frame& frame) {
  if (block_ != 0 && (frame.type != Http2Frame::kContinuation || frame.stream != block_)) return false;
  if (frame.type == Http2Frame::kContinuation) return block_ != 0;
  if (frame.type == Http2Frame::kHeaders) {
    block_ = frame.stream;
    block_ends_ = frame.has(Http2Frame::kEndStream);
  }
  return true;
}

bool Http2Responses::payload(const Http2Frame& frame, std::string_view piece, bool last) {
  Http2Response& response = stream(frame.stream).response;
  if (frame.type == Http2Frame::kData) {
    response.body(piece);
    return true;
  }
  return decoder_.decode(piece, last && frame.has(Http2Frame::kEndHeaders),
                         [&](const nghttp2_nv& nv) { response.field(http2_name(nv), http2_value(nv)); });
}

bool Http2Responses::frame_end(const Http2Frame& frame) {
  bool ends = frame.type == Http2Frame::kData && frame.has(Http2Frame::kEndStream);
  if (block_ != 0 && frame.has(Http2Frame::kEndHeaders)) {
    ends = block_ends_;
    block_ = 0;
  }
  if (frame.type == Http2Frame::kRstStream) {
    stream(frame.stream).response.reset();
    ends = true;
  }
  if (!ends) return true;
  stream(frame.stream).ended = true;
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

// If its request has come.
void Http2Responses::tell(std::uint32_t id) {
  const auto found = streams_.find(id);
  if (!found->second.expected) return;
  Stream& stream = found->second;
  told_->push_back({.stream = id, .response = stream.response.whole(stream.grpc), .damaged = stream.damaged});
  streams_.erase(found);
}

}  // namespace gnomon::protocol
