#include <algorithm>
#include <cstring>
#include <string_view>

#include "agent/protocol/http1/http1.h"

namespace gnomon::protocol {
namespace {

// Of one response's header, trailer or chunk-size lines between two pieces of body: more is a broken service.
constexpr std::size_t kMaxLineBytes = 256u << 10;

}  // namespace

void Http1ResponseFramer::expect(bool head, std::size_t keep) {
  *this = {};
  head_ = head;
  body_ = Body(keep);
  stage_ = Stage::kHeader;
}

// The next line without its line end. A lone LF ends a line as well (RFC 9112 §2.2): what counts is that the shadow
// answered, and where the answer ends is as certain as with CRLF.
bool Http1ResponseFramer::take_line(std::string_view data, std::size_t* pos, std::string_view* line) {
  const auto newline = data.find('\n', *pos);
  const std::string_view here = data.substr(*pos, newline == std::string_view::npos ? newline : newline + 1 - *pos);
  *pos += here.size();
  line_bytes_ += here.size();
  if (line_bytes_ > kMaxLineBytes) {
    stage_ = Stage::kBroken;
    return false;
  }
  if (line_whole_) {
    line_.clear();
    line_whole_ = false;
  }
  if (newline == std::string_view::npos) {
    line_.append(here);
    return false;
  }
  *line = here;
  if (!line_.empty()) {
    line_.append(here);
    line_whole_ = true;
    *line = line_;
  }
  line->remove_suffix(1);
  if (!line->empty() && line->back() == '\r') line->remove_suffix(1);
  if (line->find('\r') != std::string_view::npos || line->find('\0') != std::string_view::npos) {
    stage_ = Stage::kBroken;
    return false;
  }
  return true;
}

void Http1ResponseFramer::status_line(std::string_view line) {
  const int minor = line.size() < 12 ? -1 : http1_minor_version(line.substr(0, 8));
  const auto digit = [&](std::size_t at) { return line[at] >= '0' && line[at] <= '9' ? line[at] - '0' : -1; };
  const bool well_formed = minor >= 0 && line[8] == ' ' && digit(9) > 0 && digit(10) >= 0 && digit(11) >= 0 &&
                           (line.size() == 12 || line[12] == ' ');
  if (!well_formed) {
    stage_ = Stage::kBroken;
    return;
  }
  status_ = digit(9) * 100 + digit(10) * 10 + digit(11);
  old_version_ = minor == 0;
  fields_ = {};
}

void Http1ResponseFramer::header_end() {
  line_bytes_ = 0;
  if (status_ == 101) {
    stage_ = Stage::kBroken;  // no request that asks for an upgrade is replayed
    return;
  }
  if (status_ < 200) {
    status_ = 0;  // interim: the response is still to come
    return;
  }
  keep_alive_ = !fields_.close && (!old_version_ || fields_.keep_alive);
  if (head_ || status_ == 204 || status_ == 304) {
    stage_ = Stage::kDone;
    return;
  }
  if (fields_.transfer_encoding) {
    // With both, the coding is what counts and the connection is not to be trusted any further (RFC 9112 §6.3).
    if (fields_.length || old_version_) keep_alive_ = false;
    stage_ = fields_.chunked ? Stage::kChunkSize : Stage::kUntilClose;
  } else if (fields_.length) {
    remaining_ = *fields_.length;
    stage_ = remaining_ == 0 ? Stage::kDone : Stage::kLength;
  } else {
    stage_ = Stage::kUntilClose;
  }
  if (stage_ == Stage::kUntilClose) keep_alive_ = false;
}

void Http1ResponseFramer::take(std::string_view line) {
  switch (stage_) {
    case Stage::kHeader:
      if (status_ == 0) {
        status_line(line);
      } else if (line.empty()) {
        header_end();
      } else if (!fields_.add(line)) {
        stage_ = Stage::kBroken;
      }
      break;
    case Stage::kChunkSize:
      if (const auto size = parse_http1_chunk_size(line)) {
        remaining_ = *size;
        stage_ = remaining_ == 0 ? Stage::kTrailer : Stage::kChunkData;
      } else {
        stage_ = Stage::kBroken;
      }
      break;
    case Stage::kChunkEnd:
      stage_ = line.empty() ? Stage::kChunkSize : Stage::kBroken;
      line_bytes_ = 0;
      break;
    default:  // kTrailer
      if (line.empty()) stage_ = Stage::kDone;
      break;
  }
}

Http1ResponseFramer::Progress Http1ResponseFramer::feed(std::span<const std::byte> data, std::size_t* used) {
  const std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  std::size_t pos = 0;
  while (stage_ != Stage::kDone && stage_ != Stage::kBroken && pos < text.size()) {
    if (stage_ == Stage::kUntilClose) {
      pass(text.substr(pos));
      pos = text.size();
    } else if (stage_ == Stage::kLength || stage_ == Stage::kChunkData) {
      const auto here = std::min<std::uint64_t>(remaining_, text.size() - pos);
      pass(text.substr(pos, here));
      pos += here;
      remaining_ -= here;
      if (remaining_ == 0) stage_ = stage_ == Stage::kLength ? Stage::kDone : Stage::kChunkEnd;
    } else if (std::string_view whole; take_line(text, &pos, &whole)) {
      take(whole);
    }
  }
  *used = pos;
  if (stage_ == Stage::kDone) return Progress::kDone;
  return stage_ == Stage::kBroken ? Progress::kBroken : Progress::kMore;
}

void Http1ResponseFramer::pass(std::string_view body) {
  body_bytes_ += body.size();
  body_.add(body);
}

Http1ResponseFramer::Progress Http1ResponseFramer::skip(std::uint64_t size, std::uint64_t* used) {
  *used = 0;
  if (stage_ == Stage::kDone) return Progress::kDone;
  const bool in_body =
      stage_ == Stage::kLength || stage_ == Stage::kUntilClose || (stage_ == Stage::kChunkData && size <= remaining_);
  if (!in_body) stage_ = Stage::kBroken;
  if (stage_ == Stage::kBroken) return Progress::kBroken;
  body_.gap();
  *used = stage_ == Stage::kUntilClose ? size : std::min(size, remaining_);
  body_bytes_ += *used;
  if (stage_ == Stage::kUntilClose) return Progress::kMore;
  remaining_ -= *used;
  if (remaining_ == 0) stage_ = stage_ == Stage::kLength ? Stage::kDone : Stage::kChunkEnd;
  return stage_ == Stage::kDone ? Progress::kDone : Progress::kMore;
}

std::optional<std::uint64_t> Http1ResponseFramer::body_size() const {
  if (stage_ == Stage::kDone) return body_bytes_;
  if (stage_ == Stage::kLength) return body_bytes_ + remaining_;
  return std::nullopt;
}

Http1ResponseFramer::Progress Http1ResponseFramer::finish() {
  if (stage_ == Stage::kUntilClose) stage_ = Stage::kDone;
  if (stage_ != Stage::kDone) stage_ = Stage::kBroken;
  return stage_ == Stage::kDone ? Progress::kDone : Progress::kBroken;
}

}  // namespace gnomon::protocol
