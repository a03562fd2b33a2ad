#pragma once
// Replies of RESP2 and RESP3: where one ends and whether it is an error, also where some of it is not at hand. Values
// are skipped, not kept.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gnomon::protocol::resp {

class ReplyParser {
 public:
  enum class Progress { kMore, kReply, kPush, kBroken };
  // Takes bytes off the front of `data` up to the end of a reply; a push is a message that answers nothing.
  Progress advance(std::string_view& data);
  // Bytes ahead that need not be at hand, as it is known what they do.
  std::uint64_t ahead() const;
  // Takes so many of them, at most ahead().
  Progress skip(std::uint64_t bytes);
  // Bytes to come of the reply under way; nullopt: not known yet.
  std::optional<std::uint64_t> left() const;
  bool in_push() const { return outermost_ == '>'; }  // what was taken last is of a push
  // Of the reply that ended last, or as far as it has come: it is an error, or holds one, whose word is whole.
  bool error() const { return error_ && !in_word_; }
  std::string_view error_word() const { return word_; }  // the first one's; "WRONGTYPE"

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
  Progress ended();
  void read_word(std::string_view text);

  Stage stage_ = Stage::kType;
  char type_ = 0;
  char outermost_ = 0;
  bool negative_ = false, digits_ = false, return_ = false;
  bool attributed_ = false;  // attributes have come, their value not
  bool broken_ = false, error_ = false, fresh_ = true;
  bool in_word_ = false;
  std::uint64_t number_ = 0;
  std::string word_;
  std::vector<Aggregate> open_;
};

}  // namespace gnomon::protocol::resp
