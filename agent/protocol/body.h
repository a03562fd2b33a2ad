#pragma once
// What is kept of a response's body to tell it from another.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gnomon::protocol {

// Its first bytes as they are, and of those after them a digest for each block of them: so that two bodies, of which
// not equally much is at hand, are compared as far as both are. What comes after the last whole block is kept as it is,
// and counts where both end in the same.
class Body {
 public:
  static constexpr std::size_t kPrefix = 1024, kBlock = 256;

  Body() = default;  // of nothing
  explicit Body(std::size_t most) : left_(most) {}
  // Its next bytes; of all that are added the first `most` count.
  void add(std::string_view bytes);
  // Some of it is not at hand: nothing that is added from here on counts.
  void gap() { left_ = 0; }
  std::size_t size() const { return size_; }  // bytes that count
  std::size_t held_bytes() const { return prefix_.size() + tail_.size() + blocks_.size() * sizeof(blocks_[0]); }
  // Whether the bytes that both have are known to differ.
  bool differs(const Body& other) const;

 private:
  std::size_t left_ = 0, size_ = 0;
  std::string prefix_, tail_;
  std::vector<std::uint64_t> blocks_;
};

}  // namespace gnomon::protocol
