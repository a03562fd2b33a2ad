#pragma once
// What a connection has said that lasts, as the least that a new connection must say to be in the same state.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/protocol/redis/commands.h"

namespace gnomon::protocol::resp {

// At most one command of each kind, in the order in which they were said last; HELLO with credentials is also AUTH.
class Session {
 public:
  void say(const Command& command, bool with_credentials, std::string_view bytes);
  std::size_t size() const { return prelude_ ? prelude_->size() : 0; }
  const std::shared_ptr<const std::string>& prelude() const { return prelude_; }  // null: nothing

 private:
  struct Said {
    std::string_view kind;
    bool credentials;
    std::string bytes;
  };
  std::vector<Said> said_;
  std::shared_ptr<const std::string> prelude_;
};

// Of `wanted`, what remains to be said by a connection that has said `said`, both of the same session.
std::string_view unsaid(std::string_view said, std::string_view wanted);

}  // namespace gnomon::protocol::resp
