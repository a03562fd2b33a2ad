#pragma once
// The frames of one half of a connection (RFC 9113 §4, §6): headers read and checked, payloads handed on in the
// pieces in which they come, padding and priorities taken out. Incremental; holds a few bytes.

#include <array>
#include <cstdint>
#include <string_view>

namespace gnomon::protocol {

struct Http2Frame {
  enum Type : std::uint8_t {
    kData = 0,
    kHeaders = 1,
    kPriority = 2,
    kRstStream = 3,
    kSettings = 4,
    kPushPromise = 5,
    kPing = 6,
    kGoaway = 7,
    kWindowUpdate = 8,
    kContinuation = 9,
  };
  static constexpr std::uint8_t kEndStream = 0x1, kAck = 0x1, kEndHeaders = 0x4, kPadded = 0x8, kPriorities = 0x20;

  std::uint32_t length = 0;  // of the payload, padding and priorities included
  std::uint8_t type = 0, flags = 0;
  std::uint32_t stream = 0;
  bool has(std::uint8_t flag) const { return (flags & flag) != 0; }
};

// What the frames are for. Each call returns false to stop the reading for good.
class Http2FrameSink {
 public:
  virtual bool frame(const Http2Frame& frame) = 0;
  // The next piece of the payload, of DATA, HEADERS and CONTINUATION only; `last`: none follows. An empty payload is
  // one empty last piece.
  virtual bool payload(const Http2Frame& frame, std::string_view piece, bool last) = 0;
  virtual bool frame_end(const Http2Frame& frame) = 0;

 protected:
  ~Http2FrameSink() = default;
};

class Http2FrameReader {
 public:
  enum class Side : std::uint8_t { kClient, kService };
  explicit Http2FrameReader(Side side = Side::kClient)
      : stage_(side == Side::kClient ? Stage::kPreface : Stage::kHeader) {}
  // Reads from the front of `data` until it is used up, one call's work at a time. False: the sink stopped it, or the
  // bytes are no HTTP/2 (a connection error, RFC 9113 §5.4.1).
  bool read(std::string_view data, Http2FrameSink& sink);
  // What comes next begins a frame, somewhere in a connection.
  void restart() {
    *this = Http2FrameReader(Side::kService);
    settled_ = true;
  }
  bool between() const { return stage_ == Stage::kHeader && filled_ == 0; }
  const Http2Frame& current() const { return frame_; }  // the one under way, or the last
  // Bytes ahead of which only the number matters: what is left of a frame that holds no header fields.
  std::uint64_t unread() const;

 private:
  enum class Stage { kPreface, kHeader, kPrefix, kPayload, kPadding };
  bool take_preface(std::string_view& data);
  bool take_header(std::string_view& data, Http2FrameSink& sink);
  bool take_prefix(std::string_view& data, Http2FrameSink& sink);
  bool take_payload(std::string_view& data, Http2FrameSink& sink);
  bool take_padding(std::string_view& data, Http2FrameSink& sink);
  bool valid() const;
  bool fill(std::string_view& data, std::size_t wanted);
  bool carries_fields() const {
    return frame_.type == Http2Frame::kHeaders || frame_.type == Http2Frame::kContinuation;
  }

  Stage stage_;
  bool settled_ = false;  // the SETTINGS that begin the connection have come
  Http2Frame frame_;
  std::array<std::uint8_t, 9> head_{};  // a frame's header or a payload's prefix, as far as it has come
  std::size_t filled_ = 0;              // bytes in head_; in the preface: of that
  std::uint32_t prefix_ = 0, remaining_ = 0, padding_ = 0;
};

}  // namespace gnomon::protocol
