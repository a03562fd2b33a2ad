#pragma once
// What a service sends, as messages and as responses to units.

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/protocol/postgres/message.h"
#include "agent/protocol/response.h"

namespace gnomon::protocol::pg {

// Messages, however they are split: of each its beginning, its body in pieces, its end.
class MessageReader {
 public:
  enum class Event { kMore, kBegin, kPiece, kEnd, kBroken };
  // Takes bytes off the front of `data`, as far as the next event.
  Event next(std::string_view& data);
  bool between() const { return stage_ == Stage::kHeader && header_.empty(); }
  std::size_t left() const { return stage_ == Stage::kBody ? left_ : 0; }  // bytes of the body still to come
  void pass(std::size_t bytes) { left_ -= bytes; }                         // of those
  // Of the message under way, or the one that ended last.
  char type() const { return type_; }
  std::size_t size() const { return size_; }  // of its body
  std::string_view piece() const { return piece_; }

 private:
  enum class Stage : std::uint8_t { kHeader, kBody };
  Stage stage_ = Stage::kHeader;
  std::string header_;  // as far as it has come
  char type_ = 0;
  std::size_t size_ = 0, left_ = 0;
  std::string_view piece_;
};

// Adds up what the messages of a response say: the rows and the tags of commands that are done ("UPDATE 3"), and of the
// first error its SQLSTATE. What describes the rows, notices and notifications are left out.
class UnitSum {
 public:
  explicit UnitSum(std::size_t kept_body_bytes) : sum_(kept_body_bytes) {}
  void begin(char type);
  void piece(std::string_view bytes);
  // False: what they say matters.
  bool pass(std::size_t bytes);
  void end();
  Gathered& sum() { return sum_; }

 private:
  Gathered sum_;
  char type_ = 0;
  std::string error_;  // its first bytes
};

// Messages that a server may send at any time, or in answer to a query, and that need nothing done. COPY in both
// directions ('W') is replication's.
bool passes(char type);

class Responses final : public ResponseReader {
 public:
  explicit Responses(std::size_t kept_body_bytes) : keep_(kept_body_bytes) {}
  void expect(const Expectation& expectation) override;
  Progress feed(std::span<const std::byte> data, std::size_t* used) override;
  Progress skip(std::uint64_t size, std::uint64_t* used) override;
  Response take() override;

 private:
  Progress next(std::string_view& text);
  Progress end();
  bool refuses_encryption(std::string_view& text);

  const std::size_t keep_;
  MessageReader reader_;
  UnitSum sum_{0};
  std::uint32_t before_ = 0, left_ = 0;  // ReadyForQuery still to come
  bool starting_ = false;                // of the connection nothing has been understood yet
  bool refusal_ = false;                 // it has begun with what may be a refusal of encryption
};

}  // namespace gnomon::protocol::pg
