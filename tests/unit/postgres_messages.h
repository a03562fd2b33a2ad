#pragma once
// PostgreSQL messages as a client and a server write them.

#include <string>
#include <utility>
#include <vector>

#include "agent/protocol/postgres/message.h"

namespace gnomon::protocol::pg {

using namespace std::string_literals;

inline std::string message(char type, std::string_view body = {}) {
  std::string out;
  append_message(out, type, body);
  return out;
}

inline std::string packet(std::uint32_t code, std::string_view body = {}) {
  std::string out;
  append_u32(out, static_cast<std::uint32_t>(body.size() + 8));
  append_u32(out, code);
  return out.append(body);
}

inline std::string startup(const std::string& more = {}) {
  return packet(3u << 16, "user\0anna\0database\0shop\0"s + more + "\0"s);
}

inline std::string query(const std::string& sql) {
  return message('Q', sql + "\0"s);
}
inline std::string parse(const std::string& name, const std::string& sql) {
  return message('P', name + "\0"s + sql + "\0\0\0"s);
}
inline std::string bind(const std::string& name, const std::string& value = "7") {
  return message('B', "\0"s + name + "\0\0\0\0\1\0\0\0"s + static_cast<char>(value.size()) + value + "\0\0"s);
}
inline std::string execute() {
  return message('E', "\0\0\0\0\0"s);
}
inline std::string close_statement(const std::string& name) {
  return message('C', "S" + name + "\0"s);
}
inline std::string sync() {
  return message('S');
}

}  // namespace gnomon::protocol::pg
