#pragma once
// A service that reads messages in every way there is, and clients that send them in pieces.

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bpf/loopback.h"

namespace gnomon::messages {

using loopback::ReadCall;
using loopback::Service;

inline constexpr std::string_view kReply = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

// A message: its length in four bytes, then that many. The first message of a connection begins with the client's
// number.
inline std::string message(std::string_view body) {
  const auto size = static_cast<std::uint32_t>(body.size());
  return std::string(reinterpret_cast<const char*>(&size), sizeof(size)).append(body);
}

// Up to `size` bytes from `fd`; 0 at the end of the stream.
using Read = std::function<std::size_t(int fd, char* data, std::size_t size)>;

// Takes messages off the socket with `read`, in pieces of random size, and answers each with kReply.
inline void answer_messages(int fd, const Read& read) {
  std::mt19937_64 random(static_cast<std::uint64_t>(fd));
  std::vector<char> buffer(1 << 20);
  std::uint64_t pending = 0;
  std::string length;
  while (true) {
    std::size_t want = pending > 0 ? std::min<std::size_t>(pending, 1 + random() % 300'000) : 4 - length.size();
    const std::size_t got = read(fd, buffer.data(), want);
    if (got == 0) return;
    if (pending > 0) {
      pending -= got;
    } else {
      length.append(buffer.data(), got);
      if (length.size() < 4) continue;
      std::uint32_t size = 0;
      length.copy(reinterpret_cast<char*>(&size), 4);
      pending = size;
      length.clear();
    }
    if (pending == 0) loopback::send_all(fd, kReply);
  }
}

inline void answer_messages(int fd, ReadCall call) {
  answer_messages(fd, [call](int from, char* data, std::size_t size) { return read_with(call, from, data, size); });
}

// Sends `messages` on one connection, each in randomly split writes and after the reply to the one before. Returns how
// many replies were whole.
inline std::size_t run_client(const Service& service, const std::vector<std::string>& messages, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const UniqueFd fd = service.connect();
  std::size_t answered = 0;
  for (const std::string& text : messages) {
    for (std::string_view rest = text; !rest.empty();) {
      const std::size_t piece = std::min<std::size_t>(rest.size(), 1 + random() % (random() % 4 == 0 ? 100 : 200'000));
      loopback::send_all(fd.get(), rest.substr(0, piece));
      rest.remove_prefix(piece);
    }
    answered += loopback::receive(fd.get(), kReply.size()) == kReply;
  }
  return answered;
}

inline std::vector<std::string> random_messages(std::uint32_t client, std::size_t count, std::size_t largest) {
  std::mt19937_64 random(client);
  std::vector<std::string> messages;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t size = i == 0 ? largest : 1 + random() % (i % 2 == 0 ? largest / 4 : 2000);
    messages.push_back(
        message(std::string(reinterpret_cast<const char*>(&client), 4) + loopback::random_bytes(random, size)));
  }
  return messages;
}

inline std::string concatenated(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& part : parts) all += part;
  return all;
}

}  // namespace gnomon::messages
