#include "agent/protocol/http2/frames.h"

#include <algorithm>
#include <cstring>

#include "agent/protocol/http2/http2.h"

namespace gnomon::protocol {
namespace {

constexpr std::size_t kHeaderBytes = 9;
constexpr std::uint32_t kPriorityBytes = 5;

}  // namespace

bool Http2FrameReader::read(std::string_view data, Http2FrameSink& sink) {
  bool good = true;
  while (good && !data.empty()) {
    switch (stage_) {
      case Stage::kPreface:
        good = take_preface(data);
        break;
      case Stage::kHeader:
        good = take_header(data, sink);
        break;
      case Stage::kPrefix:
        good = take_prefix(data, sink);
        break;
      case Stage::kPayload:
        good = take_payload(data, sink);
        break;
      case Stage::kPadding:
        good = take_padding(data, sink);
        break;
    }
  }
  return good;
}

bool Http2FrameReader::take_preface(std::string_view& data) {
  const std::size_t here = std::min(data.size(), kHttp2Preface.size() - filled_);
  if (data.substr(0, here) != kHttp2Preface.substr(filled_, here)) return false;
  data.remove_prefix(here);
  filled_ += here;
  if (filled_ == kHttp2Preface.size()) {
    filled_ = 0;
    stage_ = Stage::kHeader;
  }
  return true;
}

// True: head_ holds the `wanted` bytes.
bool Http2FrameReader::fill(std::string_view& data, std::size_t wanted) {
  const std::size_t here = std::min(data.size(), wanted - filled_);
  std::memcpy(head_.data() + filled_, data.data(), here);
  data.remove_prefix(here);
  filled_ += here;
  if (filled_ < wanted) return false;
  filled_ = 0;
  return true;
}

bool Http2FrameReader::take_header(std::string_view& data, Http2FrameSink& sink) {
  if (!fill(data, kHeaderBytes)) return true;
  const auto byte = [&](std::size_t at) { return static_cast<std::uint32_t>(head_[at]); };
  frame_ = {.length = byte(0) << 16 | byte(1) << 8 | byte(2),
            .type = head_[3],
            .flags = head_[4],
            .stream = (byte(5) & 0x7f) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8)};
  if (!valid() || !sink.frame(frame_)) return false;
  settled_ = true;
  const bool padded =
      (frame_.type == Http2Frame::kData || frame_.type == Http2Frame::kHeaders) && frame_.has(Http2Frame::kPadded);
  const bool priorities = frame_.type == Http2Frame::kHeaders && frame_.has(Http2Frame::kPriorities);
  prefix_ = (padded ? 1 : 0) + (priorities ? kPriorityBytes : 0);
  if (frame_.length < prefix_) return false;
  remaining_ = frame_.length - prefix_;
  padding_ = 0;
  stage_ = prefix_ == 0 ? Stage::kPayload : Stage::kPrefix;
  // What is empty is done with now: no byte will come for it.
  return remaining_ > 0 || prefix_ > 0 || take_payload(data, sink);
}

bool Http2FrameReader::take_prefix(std::string_view& data, Http2FrameSink& sink) {
  if (!fill(data, prefix_)) return true;
  padding_ = frame_.has(Http2Frame::kPadded) ? head_[0] : 0;
  if (padding_ > remaining_) return false;
  remaining_ -= padding_;
  stage_ = Stage::kPayload;
  return remaining_ > 0 || take_payload(data, sink);
}

bool Http2FrameReader::take_payload(std::string_view& data, Http2FrameSink& sink) {
  const std::string_view piece = data.substr(0, remaining_);
  data.remove_prefix(piece.size());
  remaining_ -= static_cast<std::uint32_t>(piece.size());
  if ((frame_.type == Http2Frame::kData || carries_fields()) && !sink.payload(frame_, piece, remaining_ == 0))
    return false;
  if (remaining_ > 0) return true;
  stage_ = Stage::kPadding;
  return padding_ > 0 || take_padding(data, sink);
}

bool Http2FrameReader::take_padding(std::string_view& data, Http2FrameSink& sink) {
  const std::size_t here = std::min<std::size_t>(data.size(), padding_);
  data.remove_prefix(here);
  padding_ -= static_cast<std::uint32_t>(here);
  if (padding_ > 0) return true;
  stage_ = Stage::kHeader;
  return sink.frame_end(frame_);
}

std::uint64_t Http2FrameReader::unread() const {
  if (stage_ == Stage::kPadding) return padding_;
  return stage_ == Stage::kPayload && !carries_fields() ? std::uint64_t{remaining_} + padding_ : 0;
}

// What RFC 9113 §6 calls a connection error and the header tells. A frame of an unknown type is passed over (§5.5).
bool Http2FrameReader::valid() const {
  if (!settled_ && (frame_.type != Http2Frame::kSettings || frame_.has(Http2Frame::kAck))) return false;
  switch (frame_.type) {
    case Http2Frame::kData:
    case Http2Frame::kHeaders:
    case Http2Frame::kContinuation:
      return frame_.stream % 2 == 1;  // the client's streams are odd; pushed ones are refused
    case Http2Frame::kPriority:
      return frame_.stream != 0;
    case Http2Frame::kRstStream:
      return frame_.stream != 0 && frame_.length == 4;
    case Http2Frame::kSettings:
      return frame_.stream == 0 && frame_.length % 6 == 0 && (!frame_.has(Http2Frame::kAck) || frame_.length == 0);
    case Http2Frame::kPushPromise:
      return false;
    case Http2Frame::kPing:
      return frame_.stream == 0 && frame_.length == 8;
    case Http2Frame::kGoaway:
      return frame_.stream == 0 && frame_.length >= 8;
    case Http2Frame::kWindowUpdate:
      return frame_.length == 4;
    default:
      return true;
  }
}

}  // namespace gnomon::protocol
