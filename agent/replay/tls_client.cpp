#include "agent/replay/tls_client.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <array>
#include <new>
#include <utility>

namespace gnomon::replay {
namespace {

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
using SslPtr = std::unique_ptr<SSL, SslDeleter>;

constexpr std::size_t kRecordBytes = 16u << 10;  // the plaintext of the longest record

// "example.org:8443" → "example.org"; empty for addresses, which SNI does not know (RFC 6066, 3).
std::string name_of(std::string authority) {
  if (authority.starts_with('[')) return {};
  authority.resize(std::min(authority.size(), authority.find(':')));
  in_addr address{};
  return ::inet_pton(AF_INET, authority.c_str(), &address) == 1 ? std::string() : authority;
}

// A client's end on memory: what comes is written to the one side, what is to be sent read from the other.
SslPtr make_ssl(SSL_CTX* context) {
  SslPtr ssl(SSL_new(context));
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  if (!ssl || !in || !out) throw std::bad_alloc();
  SSL_set_bio(ssl.get(), in, out);
  SSL_set_connect_state(ssl.get());
  return ssl;
}

// Moves what is to be sent to the end of `out`.
void drain(SSL* ssl, std::string& out) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(SSL_get_wbio(ssl), &data);
  if (size > 0) out.append(data, static_cast<std::size_t>(size));
  BIO_reset(SSL_get_wbio(ssl));
}

class TlsClient final : public protocol::Client {
 public:
  TlsClient(SslPtr ssl, std::string_view alpn, std::unique_ptr<protocol::Client> inner)
      : ssl_(std::move(ssl)), alpn_(alpn), inner_(std::move(inner)) {}

  std::size_t concurrency() const override { return inner_->concurrency(); }
  bool reusable() const override { return !ended_ && inner_->reusable(); }
  bool handshaking() const override { return !established_ || inner_->handshaking(); }

  void start(const protocol::Request& first, std::string& out) override {
    inner_->start(first, plaintext_);
    ended_ = !shake_hands();
    drain(ssl_.get(), out);
  }

  void send(const protocol::Request& request, std::uint64_t tag, std::string& out) override {
    inner_->send(request, tag, plaintext_);
    heard_ = false;
    ended_ = ended_ || !encrypt();
    drain(ssl_.get(), out);
  }

  bool cancel(std::uint64_t tag, std::string& out) override {
    if (!established_ || ended_ || !inner_->cancel(tag, plaintext_)) return false;
    ended_ = !encrypt();
    drain(ssl_.get(), out);
    return !ended_;
  }

  bool receive(std::span<const std::byte> data, std::vector<protocol::Answer>& answers, std::string& out) override {
    BIO_write(SSL_get_rbio(ssl_.get()), data.data(), static_cast<int>(data.size()));
    ended_ = ended_ || !(established_ || shake_hands()) || !decrypt(answers) || !encrypt();
    drain(ssl_.get(), out);
    return !ended_;
  }

  // Of the close of a connection that was idle a plaintext's client sees no byte; this one sees TLS's.
  bool untouched() const override {
    return inner_->untouched() || (closed_ && served_ && !heard_ && inner_->concurrency() == 1);
  }

  bool keeps_times() const override { return inner_->keeps_times(); }

  std::optional<MonoTime> advance(MonoTime now, std::vector<protocol::Answer>& answers, std::string& out) override {
    if (!established_) return std::nullopt;
    const auto next = inner_->advance(now, answers, plaintext_);
    ended_ = ended_ || !encrypt();
    drain(ssl_.get(), out);
    return next;
  }

  void finish(std::vector<protocol::Answer>& answers) override { inner_->finish(answers); }

 private:
  // Each returns false when the connection is of no more use.
  bool shake_hands() {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result != 1) return SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ;
    established_ = true;
    const unsigned char* chosen = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &chosen, &size);
    // A server without ALPN speaks HTTP/1.1, never HTTP/2 (RFC 9113, 3.2).
    if (size == 0) return alpn_ != "h2";
    return std::string_view(reinterpret_cast<const char*>(chosen), size) == alpn_;
  }

  bool decrypt(std::vector<protocol::Answer>& answers) {
    while (established_) {
      std::size_t size = 0;
      ERR_clear_error();
      const int result = SSL_read_ex(ssl_.get(), buffer_.data(), buffer_.size(), &size);
      if (result == 1) {
        served_ = heard_ = true;
        if (!inner_->receive(std::span(buffer_).first(size), answers, plaintext_)) return false;
        continue;
      }
      const int error = SSL_get_error(ssl_.get(), result);
      closed_ = error == SSL_ERROR_ZERO_RETURN;  // the service says that it does
      if (closed_) inner_->finish(answers);
      return error == SSL_ERROR_WANT_READ;
    }
    return true;
  }

  bool encrypt() {
    if (!established_ || plaintext_.empty()) return true;
    std::size_t written = 0;
    ERR_clear_error();
    const bool all = SSL_write_ex(ssl_.get(), plaintext_.data(), plaintext_.size(), &written) == 1;
    std::string().swap(plaintext_);
    return all;
  }

  const SslPtr ssl_;
  const std::string_view alpn_;
  const std::unique_ptr<protocol::Client> inner_;
  std::string plaintext_;  // waits for the handshake
  bool established_ = false, ended_ = false, closed_ = false;
  bool served_ = false, heard_ = false;  // plaintext has come; … since the last request
  std::array<std::byte, kRecordBytes> buffer_;
};

}  // namespace

TlsDialer::TlsDialer() : context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free) {
  if (!context_) throw std::bad_alloc();
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
  // Old versions, keys and ciphers are production's affair.
  SSL_CTX_set_security_level(context_.get(), 0);
  SSL_CTX_set_min_proto_version(context_.get(), TLS1_VERSION);
  SSL_CTX_set_mode(context_.get(), SSL_MODE_RELEASE_BUFFERS);
}

std::unique_ptr<protocol::Client> TlsDialer::client(const protocol::Request& first,
                                                    const protocol::ClientSettings& settings) const {
  auto inner = first.protocol->client(settings);
  const auto alpn = first.protocol->alpn();
  if (!alpn) return inner;
  SslPtr ssl = make_ssl(context_.get());
  if (const std::string name = name_of(first.protocol->authority(first)); !name.empty())
    SSL_set_tlsext_host_name(ssl.get(), name.c_str());
  if (!alpn->empty()) {
    const std::string list = static_cast<char>(alpn->size()) + std::string(*alpn);
    SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(list.data()),
                        static_cast<unsigned>(list.size()));
  }
  return std::make_unique<TlsClient>(std::move(ssl), *alpn, std::move(inner));
}

std::string TlsDialer::hello() const {
  const SslPtr ssl = make_ssl(context_.get());
  SSL_do_handshake(ssl.get());
  std::string record;
  drain(ssl.get(), record);
  return record;
}

// A record's type, handshake or alert, and its version's major number (RFC 8446, 5.1).
bool is_tls_answer(std::string_view answer) {
  return answer.size() >= 2 && (answer[0] == 22 || answer[0] == 21) && answer[1] == 3;
}

}  // namespace gnomon::replay
