#pragma once
// What a framer makes of a stream, in pieces of any size.

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/protocol/framer.h"

namespace gnomon::protocol {

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

struct Outcome {
  std::vector<Request> requests;
  RequestFramer::State state = RequestFramer::State::kFraming;
  bool mid_message = false;
};

template <class Framer>
Outcome frame(const std::string& stream, std::size_t piece = std::string::npos, bool joined = false,
              Limits limits = {}) {
  Framer framer(7, joined, limits);
  Outcome outcome;
  for (std::size_t at = 0; at < stream.size(); at += std::min(piece, stream.size()))
    framer.feed(bytes_of(std::string_view(stream).substr(at, piece)), MonoTime{}, joined && at == 0, outcome.requests);
  outcome.state = framer.state();
  outcome.mid_message = framer.mid_message();
  return outcome;
}

}  // namespace gnomon::protocol
