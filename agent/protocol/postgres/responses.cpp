#include "agent/protocol/postgres/responses.h"

#include <algorithm>
#include <utility>

namespace gnomon::protocol::pg {
namespace {

constexpr std::size_t kLargestMessage = (1u << 30) + 64;
constexpr std::size_t kKeptError = 1024;  // its SQLSTATE is its third field, after two short ones

bool counts(char type) {
  return type == 'D' || type == 'd' || type == 'C' || type == 'V';
}

// Of an ErrorResponse's fields; empty: it has not come.
std::string_view sqlstate(std::string_view fields) {
  while (!fields.empty() && fields.front() != '\0') {
    const char field = fields.front();
    fields.remove_prefix(1);
    const auto text = take_text(fields);
    if (!text) break;
    if (field == 'C') return *text;
  }
  return {};
}

}  // namespace

bool passes(char type) {
  constexpr std::string_view kPassed = "ACDEGHIKNSTVcdnstv123";
  return kPassed.find(type) != std::string_view::npos;
}

MessageReader::Event MessageReader::next(std::string_view& data) {
  if (stage_ == Stage::kBody && left_ == 0) {
    stage_ = Stage::kHeader;
    return Event::kEnd;
  }
  if (data.empty()) return Event::kMore;
  if (stage_ == Stage::kBody) {
    piece_ = data.substr(0, left_);
    data.remove_prefix(piece_.size());
    left_ -= piece_.size();
    return Event::kPiece;
  }
  const std::string_view here = data.substr(0, kMessageHeader - header_.size());
  header_.append(here);
  data.remove_prefix(here.size());
  if (header_.size() < kMessageHeader) return Event::kMore;
  const std::uint32_t length = read_u32(std::string_view(header_).substr(1));
  type_ = header_[0];
  header_.clear();
  if (length < 4 || length > kLargestMessage) return Event::kBroken;
  size_ = left_ = length - 4;
  stage_ = Stage::kBody;
  return Event::kBegin;
}

void UnitSum::begin(char type) {
  type_ = type;
  error_.clear();
}

void UnitSum::piece(std::string_view bytes) {
  if (counts(type_)) sum_.add(bytes);
  if (type_ == 'E') error_.append(bytes.substr(0, kKeptError - error_.size()));
}

bool UnitSum::pass(std::size_t bytes) {
  if (counts(type_)) sum_.pass(bytes);
  return type_ != 'E' || !sqlstate(error_).empty();
}

void UnitSum::end() {
  if (type_ == 'E') sum_.fail(sqlstate(error_));
}

void Responses::expect(const Expectation& expectation) {
  reader_ = {};
  sum_ = UnitSum(keep_);
  before_ = expectation.before;
  left_ = expectation.replies;
  starting_ = before_ > 0;
  refusal_ = false;
}

ResponseReader::Progress Responses::feed(std::span<const std::byte> data, std::size_t* used) {
  std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
  Progress progress = Progress::kMore;
  if (starting_ && !refuses_encryption(text)) starting_ = false;
  while (!text.empty() && progress == Progress::kMore) progress = next(text);
  *used = data.size() - text.size();
  return progress;
}

// A server that is asked for encryption and has none says so by a single N, which is not a notice's where no length
// follows: that of none begins with another byte than 0. False: it has told by now, or does not.
bool Responses::refuses_encryption(std::string_view& text) {
  while (!text.empty()) {
    if (refusal_ && text.front() == '\0') {
      std::string_view notice = "N";
      reader_.next(notice);
      return false;
    }
    refusal_ = text.front() == 'N';
    if (!refusal_) return false;
    text.remove_prefix(1);
  }
  return true;
}

ResponseReader::Progress Responses::next(std::string_view& text) {
  // What ends without a byte to come ends at once.
  for (bool more = true; more;) {
    switch (reader_.next(text)) {
      case MessageReader::Event::kBegin:
        if (!passes(reader_.type()) && reader_.type() != 'Z' && !(before_ > 0 && reader_.type() == 'R'))
          return Progress::kBroken;
        sum_.begin(before_ > 0 ? '\0' : reader_.type());
        more = reader_.left() == 0;
        break;
      case MessageReader::Event::kPiece:
        sum_.piece(reader_.piece());
        more = reader_.left() == 0;
        break;
      case MessageReader::Event::kEnd:
        return end();
      case MessageReader::Event::kMore:
        return Progress::kMore;
      case MessageReader::Event::kBroken:
        return Progress::kBroken;
    }
  }
  return Progress::kMore;
}

ResponseReader::Progress Responses::end() {
  sum_.end();
  if (reader_.type() != 'Z') return Progress::kMore;
  std::uint32_t& left = before_ > 0 ? before_ : left_;
  --left;
  return left_ == 0 ? Progress::kDone : Progress::kMore;
}

ResponseReader::Progress Responses::skip(std::uint64_t size, std::uint64_t* used) {
  *used = std::min<std::uint64_t>(size, reader_.left());
  if (*used == 0 || !sum_.pass(static_cast<std::size_t>(*used))) return Progress::kBroken;
  reader_.pass(static_cast<std::size_t>(*used));
  std::string_view nothing;
  return reader_.left() == 0 ? next(nothing) : Progress::kMore;
}

Response Responses::take() {
  Gathered& sum = sum_.sum();
  const bool whole = left_ == 0;
  return {.status = whole || sum.error ? std::optional(sum.status) : std::nullopt,
          .size = whole ? std::optional(sum.size) : std::nullopt,
          .body = std::move(sum.body)};
}

}  // namespace gnomon::protocol::pg
