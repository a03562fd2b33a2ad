#pragma once
// TLS between a protocol's client and the shadow's socket, without I/O: records in, records out.

#include <memory>

#include "agent/protocol/protocol.h"

struct ssl_ctx_st;

namespace gnomon::replay {

// Makes clients that speak TLS. The shadow's certificate is not verified: it is a copy of production's, under another
// address, and nothing leaves this machine. Versions and ciphers are whatever OpenSSL has and the shadow takes.
class TlsDialer {
 public:
  TlsDialer();
  // The client of `first`'s protocol, under TLS where that begins with the connection's first byte, else in plaintext.
  // SNI and ALPN are what a client that sends `first` would say. A connection that does not get the protocol it asked
  // for fails as one that is not understood.
  std::unique_ptr<protocol::Client> client(const protocol::Request& first,
                                           const protocol::ClientSettings& settings) const;
  // The first record that a client sends.
  std::string hello() const;

 private:
  std::shared_ptr<ssl_ctx_st> context_;
};

// Whether these are the first bytes of a server's answer in TLS, be it a refusal. `answer` has at least 2 bytes.
bool is_tls_answer(std::string_view answer);

}  // namespace gnomon::replay
