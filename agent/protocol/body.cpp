#include "agent/protocol/body.h"

#include <algorithm>
#include <cstring>

namespace gnomon::protocol {
namespace {

// Eight bytes at a time: each step is undone by none, so blocks that differ in one word alone never have the same
// digest, and others one time in 2^64. The same on every machine of one byte order; digests never leave theirs.
std::uint64_t digest(std::string_view block) {
  static_assert(Body::kBlock % sizeof(std::uint64_t) == 0);
  std::uint64_t hash = 0x9e3779b97f4a7c15u;
  for (std::size_t at = 0; at < block.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, block.data() + at, sizeof(word));
    hash = (hash ^ word) * 0xff51afd7ed558ccdu;
    hash ^= hash >> 32;
  }
  return hash;
}

bool differ(std::string_view one, std::string_view other) {
  const std::size_t common = std::min(one.size(), other.size());
  return one.substr(0, common) != other.substr(0, common);
}

}  // namespace

void Body::add(std::string_view bytes) {
  if (left_ == 0) return;
  bytes = bytes.substr(0, left_);
  left_ -= bytes.size();
  size_ += bytes.size();
  const std::string_view first = bytes.substr(0, kPrefix - prefix_.size());
  prefix_.append(first);
  bytes.remove_prefix(first.size());
  while (!bytes.empty()) {
    if (tail_.empty() && bytes.size() >= kBlock) {
      blocks_.push_back(digest(bytes.substr(0, kBlock)));
      bytes.remove_prefix(kBlock);
      continue;
    }
    const std::string_view here = bytes.substr(0, kBlock - tail_.size());
    tail_.append(here);
    bytes.remove_prefix(here.size());
    if (tail_.size() < kBlock) continue;
    blocks_.push_back(digest(tail_));
    tail_.clear();
  }
}

bool Body::differs(const Body& other) const {
  const std::size_t blocks = std::min(blocks_.size(), other.blocks_.size());
  return differ(prefix_, other.prefix_) ||
         !std::equal(blocks_.begin(), blocks_.begin() + blocks, other.blocks_.begin()) ||
         (blocks_.size() == other.blocks_.size() && differ(tail_, other.tail_));
}

}  // namespace gnomon::protocol
