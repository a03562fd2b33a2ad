#pragma once
// Replies of RESP2 and RESP3: where one ends and whether it is an error. Values are skipped, not kept.

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace gnomon::protocol::resp {

class ReplyParser {
 public:
  enum class Progress { kMore, kReply, kPush, kBroken };
  // Takes bytes off the front of `data` up to the end of a reply; a push is a message that answers nothing.
  Progress advance(std::string_view& data);
  bool between() const { return stage_ == Stage::kType && open_.empty() && !attributed_; }
  bool error() const { return error_; }         // of the reply that ended last: it is an error, or holds one
  std::uint64_t size() const { return size_; }  // its bytes, with attributes

 private:
  enum class Stage : std::uint8_t { kType, kText, kNumber, kBulk, kBulkEnd };
  struct Aggregate {
    std::uint64_t left;
    char type;
  };
  bool type(char byte);
  bool number(char byte);
  bool header_end();
  bool value_end();  // true: the outermost has ended

  Stage stage_ = Stage::kType;
  char type_ = 0;
  char outermost_ = 0;
  bool negative_ = false, digits_ = false, return_ = false;
  bool attributed_ = false;  // attributes have come, their value not
  bool broken_ = false, error_ = false, fresh_ = true;
  std::uint64_t number_ = 0, size_ = 0;
  std::vector<Aggregate> open_;
};

}  // namespace gnomon::protocol::resp
