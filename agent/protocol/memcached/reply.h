#pragma once
// memcached's replies: where one ends and whether it is an error. Values are skipped, not kept.

#include <cstdint>
#include <string>
#include <string_view>

namespace gnomon::protocol::mc {

class ReplyParser {
 public:
  enum class Progress { kMore, kReply, kBroken };
  // Takes bytes off the front of `data` up to the end of a reply.
  Progress advance(std::string_view& data);
  // Of the reply that ended last.
  bool error() const { return kind_ == Kind::kError; }
  bool no_operation() const { return kind_ == Kind::kNoOperation; }
  std::uint64_t size() const { return size_; }

 private:
  enum class Kind : std::uint8_t { kPlain, kError, kNoOperation, kItem, kMore, kValue, kUnknown };
  static Kind kind_of(std::string_view line);
  Progress line(std::string_view line);

  std::string line_;         // as far as it has come
  std::uint64_t block_ = 0;  // bytes of data still to come, with their line end
  Kind kind_ = Kind::kPlain;
  bool fresh_ = true, broken_ = false;
  std::uint64_t size_ = 0;
};

}  // namespace gnomon::protocol::mc
