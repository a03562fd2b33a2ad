#pragma once
// A client's connection to a service that speaks TLS.

#include "tests/bpf/loopback.h"
#include "tests/tls_server.h"

namespace gnomon {

// Of that version of TLS and no other; its handshake is through.
struct TlsConnection {
  TlsConnection(const loopback::Service& service, int version) : fd(service.connect()), ssl(SSL_new(context.get())) {
    SSL_set_min_proto_version(ssl.get(), version);
    SSL_set_max_proto_version(ssl.get(), version);
    SSL_set_fd(ssl.get(), fd.get());
    EXPECT_EQ(SSL_connect(ssl.get()), 1);
  }
  const tls_server::Owned<SSL_CTX> context{SSL_CTX_new(TLS_client_method())};
  const UniqueFd fd;
  const tls_server::Owned<SSL> ssl;
};

}  // namespace gnomon
