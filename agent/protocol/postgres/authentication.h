#pragma once
// The client's side of the challenges that a server may pose: the manual's "MD5" and SCRAM-SHA-256 (RFC 5802, 7677).
// Passwords are taken as they are: one that is not ASCII is not put into SASLprep's form.

#include <optional>
#include <string>
#include <string_view>

namespace gnomon::protocol::pg {

// "md5" and the hexadecimal digest; `salt`: 4 bytes.
std::string md5_password(std::string_view user, std::string_view password, std::string_view salt);

// One exchange, without channel binding. The server learns nothing of the password but that it is right.
class Scram {
 public:
  // `nonce`: printable, without commas, not used before.
  Scram(std::string password, std::string nonce);
  static std::string random_nonce();

  std::string first() const;  // the client's first message
  // The client's final message; nullopt: the server's first is malformed, or asks for more work than a client should
  // do.
  std::optional<std::string> answer(std::string_view server_first);
  // Whether the server has proved that it knows the password as well.
  bool verify(std::string_view server_final) const;

 private:
  const std::string password_, nonce_;
  std::string server_signature_;  // in base 64
};

}  // namespace gnomon::protocol::pg
