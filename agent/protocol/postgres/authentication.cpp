#include "agent/protocol/postgres/authentication.h"

#include <array>
#include <charconv>
#include <cstddef>
#include <vector>

#include "openssl/evp.h"
#include "openssl/hmac.h"
#include "openssl/rand.h"

namespace gnomon::protocol::pg {
namespace {

using Digest = std::array<unsigned char, 32>;

// PostgreSQL's own default is 4096; a million is a second of a processor.
constexpr int kMostIterations = 100'000;
constexpr std::size_t kLongestMessage = 4096;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

Digest hmac(const Digest& key, std::string_view text) {
  Digest digest{};
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(text), text.size(), digest.data(), nullptr);
  return digest;
}

std::string base64(const unsigned char* data, std::size_t size) {
  std::string text((size + 2) / 3 * 4 + 1, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), data, static_cast<int>(size));
  text.pop_back();
  return text;
}

std::optional<std::vector<unsigned char>> from_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0) return std::nullopt;
  std::vector<unsigned char> data(text.size() / 4 * 3);
  const int size = EVP_DecodeBlock(data.data(), bytes_of(text), static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  const std::size_t padding = text.size() - 1 - text.find_last_not_of('=');
  if (padding > 2) return std::nullopt;
  data.resize(static_cast<std::size_t>(size) - padding);
  return data;
}

// The value of "NAME=value" at the front of a comma-separated list, taken off.
std::optional<std::string_view> take_attribute(std::string_view& list, char name) {
  if (list.size() < 2 || list[0] != name || list[1] != '=') return std::nullopt;
  const auto comma = list.find(',');
  const std::string_view value = list.substr(2, comma == std::string_view::npos ? comma : comma - 2);
  list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  return value;
}

std::string md5_hex(std::string_view text) {
  std::array<unsigned char, 16> digest{};
  EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_md5(), nullptr);
  std::string hex;
  for (const unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

}  // namespace

std::string md5_password(std::string_view user, std::string_view password, std::string_view salt) {
  return "md5" + md5_hex(md5_hex(std::string(password).append(user)).append(salt));
}

Scram::Scram(std::string password, std::string nonce) : password_(std::move(password)), nonce_(std::move(nonce)) {}

std::string Scram::random_nonce() {
  std::array<unsigned char, 18> random{};
  RAND_bytes(random.data(), static_cast<int>(random.size()));
  return base64(random.data(), random.size());
}

std::string Scram::first() const {
  return "n,,n=,r=" + nonce_;  // the server takes the user from the StartupMessage
}

std::optional<std::string> Scram::answer(std::string_view server_first) {
  if (server_first.size() > kLongestMessage) return std::nullopt;
  std::string_view rest = server_first;
  const auto nonce = take_attribute(rest, 'r');
  const auto salt_text = take_attribute(rest, 's');
  const auto iterations_text = take_attribute(rest, 'i');
  if (!nonce || !nonce->starts_with(nonce_) || nonce->size() == nonce_.size() || !salt_text || !iterations_text)
    return std::nullopt;
  const auto salt = from_base64(*salt_text);
  int iterations = 0;
  const char* const end = iterations_text->data() + iterations_text->size();
  const auto parsed = std::from_chars(iterations_text->data(), end, iterations);
  if (!salt || parsed.ptr != end || iterations < 1 || iterations > kMostIterations) return std::nullopt;

  Digest salted{};
  PKCS5_PBKDF2_HMAC(password_.data(), static_cast<int>(password_.size()), salt->data(), static_cast<int>(salt->size()),
                    iterations, EVP_sha256(), static_cast<int>(salted.size()), salted.data());
  const Digest client_key = hmac(salted, "Client Key");
  Digest stored_key{};
  EVP_Digest(client_key.data(), client_key.size(), stored_key.data(), nullptr, EVP_sha256(), nullptr);
  std::string final = "c=biws,r=" + std::string(*nonce);
  const std::string exchanged = "n=,r=" + nonce_ + "," + std::string(server_first) + "," + final;
  Digest proof = hmac(stored_key, exchanged);
  for (std::size_t i = 0; i < proof.size(); ++i) proof[i] ^= client_key[i];
  const Digest signature = hmac(hmac(salted, "Server Key"), exchanged);
  server_signature_ = base64(signature.data(), signature.size());
  return final + ",p=" + base64(proof.data(), proof.size());
}

bool Scram::verify(std::string_view server_final) const {
  const auto signature = take_attribute(server_final, 'v');
  return signature && !server_signature_.empty() && *signature == server_signature_;
}

}  // namespace gnomon::protocol::pg
