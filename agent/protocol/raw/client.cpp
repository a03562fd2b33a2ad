#include "agent/protocol/raw/client.h"

namespace gnomon::protocol {
namespace {

constexpr Nanos kPatience = std::chrono::seconds(1);

}  // namespace

void RawClient::send(const Request& request, std::uint64_t tag, std::string&) {
  bytes_ = request.bytes;
  rest_ = *bytes_;
  next_ = take_raw_piece(rest_);
  answer_.tag = tag;
}

bool RawClient::receive(std::span<const std::byte> data, std::vector<Answer>&, std::string&) {
  heard_ = true;
  answer_.size += data.size();
  return true;
}

std::optional<MonoTime> RawClient::advance(MonoTime now, std::vector<Answer>& answers, std::string& out) {
  while (next_) {
    if (!begun_) begun_ = now;
    const bool end = next_->bytes.empty();
    const MonoTime due = *begun_ + next_->offset + waited_;
    const bool waits = !heard_ && (next_->after_send || end);
    if (now < due) return due;
    if (waits && now < due + kPatience) return due + kPatience;
    if (next_->after_send) waited_ += now - due;
    if (end) {
      next_.reset();
      answers.push_back(answer_);
      break;
    }
    out += next_->bytes;
    heard_ = false;
    next_ = take_raw_piece(rest_);
  }
  return std::nullopt;
}

void RawClient::finish(std::vector<Answer>& answers) {
  if (!next_ || !next_->bytes.empty()) return;
  next_.reset();
  answers.push_back(answer_);
}

}  // namespace gnomon::protocol
