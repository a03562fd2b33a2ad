#include "agent/replay/tls_client.h"

#include <string>
#include <vector>

#include "agent/protocol/http1/http1.h"
#include "agent/protocol/http2/http2.h"
#include "agent/protocol/postgres/postgres.h"
#include "gtest/gtest.h"
#include "tests/tls_server.h"

namespace gnomon::replay {
namespace {

using tls_server::Owned;

constexpr char kResponse[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

protocol::Request http1_request(const std::string& host) {
  return {.protocol = &protocol::http1(),
          .bytes = std::make_shared<const std::string>("GET / HTTP/1.1\r\nHost: " + host + "\r\n\r\n")};
}

// Takes the first of the client's protocols that is in the argument, a list in ALPN's form.
int choose(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered, unsigned int length,
           void* takes) {
  auto* const list = static_cast<std::string*>(takes);
  const int result = SSL_select_next_proto(const_cast<unsigned char**>(chosen), size,
                                           reinterpret_cast<const unsigned char*>(list->data()),
                                           static_cast<unsigned>(list->size()), offered, length);
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

// A client under test and OpenSSL's server, joined by memory.
class TlsClientTest : public ::testing::Test {
 protected:
  void connect(const protocol::Request& request) {
    SSL_CTX_set_alpn_select_cb(context.get(), choose, &takes);
    server.reset(SSL_new(context.get()));
    SSL_set_bio(server.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(server.get());
    client = dialer.client(request, {});
    client->start(request, out);
    client->send(request, 7, out);
  }

  // Hands both what the other has said until there is no more, in pieces. Returns false once the client has given up.
  bool pump(std::size_t piece = 1'000'000) {
    while (true) {
      BIO_write(SSL_get_rbio(server.get()), out.data(), static_cast<int>(out.size()));
      out.clear();
      char data[4096];
      std::size_t size = 0;
      while (SSL_read_ex(server.get(), data, sizeof(data), &size) == 1) received.append(data, size);
      char* said = nullptr;
      const auto length = static_cast<std::size_t>(BIO_get_mem_data(SSL_get_wbio(server.get()), &said));
      std::string answer(said, length);
      BIO_reset(SSL_get_wbio(server.get()));
      for (std::size_t at = 0; at < answer.size(); at += piece)
        if (!client->receive(std::as_bytes(std::span(answer).subspan(at, std::min(piece, answer.size() - at))), answers,
                             out))
          return false;
      if (out.empty()) return true;
    }
  }

  void say(std::string_view text) { SSL_write(server.get(), text.data(), static_cast<int>(text.size())); }
  std::string server_name() const {
    const char* const name = SSL_get_servername(server.get(), TLSEXT_NAMETYPE_host_name);
    return name ? name : "";
  }

  const Owned<SSL_CTX> context = tls_server::context();
  std::string takes{"\x08http/1.1\x02h2"};
  Owned<SSL> server;
  const TlsDialer dialer;
  std::unique_ptr<protocol::Client> client;
  std::string out, received;
  std::vector<protocol::Answer> answers;
};

TEST_F(TlsClientTest, ARequestGoesOutAfterTheHandshakeAndIsAnswered) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SSL_CTX_set_max_proto_version(context.get(), version);
    received.clear();
    answers.clear();
    const auto request = http1_request("example.org:8443");
    connect(request);
    EXPECT_TRUE(client->handshaking());
    ASSERT_TRUE(pump());
    EXPECT_FALSE(client->handshaking());
    EXPECT_EQ(SSL_version(server.get()), version);
    EXPECT_EQ(server_name(), "example.org");
    EXPECT_EQ(received, *request.bytes);
    say(kResponse);
    ASSERT_TRUE(pump());
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].tag, 7u);
    EXPECT_EQ(answers[0].status, 200u);
    EXPECT_TRUE(client->reusable());
  }
}

TEST_F(TlsClientTest, RecordsMayComeByteByByte) {
  connect(http1_request("x"));
  ASSERT_TRUE(pump(1));
  say(kResponse);
  ASSERT_TRUE(pump(1));
  EXPECT_EQ(answers.size(), 1u);
}

TEST_F(TlsClientTest, AnAddressIsNotSaidAsAServersName) {
  for (const char* host : {"127.0.0.1:8443", "[::1]:8443"}) {
    connect(http1_request(host));
    ASSERT_TRUE(pump());
    EXPECT_EQ(server_name(), "");
  }
}

TEST_F(TlsClientTest, AnAnswerThatTheCloseDelimitsIsWholeWithIt) {
  connect(http1_request("x"));
  ASSERT_TRUE(pump());
  say("HTTP/1.1 200 OK\r\n\r\nall there is");
  SSL_shutdown(server.get());
  EXPECT_FALSE(pump());
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].size, 12u);
  EXPECT_FALSE(client->reusable());
}

TEST_F(TlsClientTest, ARequestThatMetTheCloseOfAnIdleConnectionIsUntouched) {
  const auto request = http1_request("x");
  for (const std::string_view begun : {"", "HTTP/1.1 200 OK\r\n"}) {
    connect(request);
    ASSERT_TRUE(pump());
    say(kResponse);
    ASSERT_TRUE(pump());
    client->send(request, 8, out);
    if (!begun.empty()) say(begun);
    SSL_shutdown(server.get());
    EXPECT_FALSE(pump());
    EXPECT_EQ(client->untouched(), begun.empty());
  }
  connect(request);
  ASSERT_TRUE(pump());
  SSL_shutdown(server.get());  // in place of its first answer
  EXPECT_FALSE(pump());
  EXPECT_FALSE(client->untouched());
}

TEST_F(TlsClientTest, Http2IsSpokenOnlyIfTheServiceChoseIt) {
  // A unit in the framer's own form is not needed: the handshake decides.
  const protocol::Request request{.protocol = &protocol::http2(), .bytes = std::make_shared<const std::string>()};
  connect(request);
  ASSERT_TRUE(pump());
  EXPECT_TRUE(received.starts_with("PRI * HTTP/2.0\r\n"));
  takes = "\x08http/1.1";
  received.clear();
  connect(request);
  EXPECT_FALSE(pump());
  EXPECT_EQ(received, "");
}

TEST_F(TlsClientTest, WhatIsNotTlsIsNotUnderstood) {
  connect(http1_request("x"));
  const std::string_view answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
  EXPECT_FALSE(client->receive(std::as_bytes(std::span(answer)), answers, out));
  EXPECT_FALSE(client->reusable());
}

TEST_F(TlsClientTest, AProtocolThatDoesNotBeginWithTlsIsSpokenInPlaintext) {
  using namespace std::string_literals;
  const std::string startup = "\0\0\0\x0f\0\3\0\0user\0a\0"s;
  const protocol::Request request{.protocol = &protocol::postgres(),
                                  .bytes = std::make_shared<const std::string>(),
                                  .prelude = std::make_shared<const std::string>(startup)};
  client = dialer.client(request, {});
  client->start(request, out);
  EXPECT_EQ(out, startup);
}

TEST_F(TlsClientTest, AServersAnswerToTheHelloIsKnownAsTls) {
  SSL_CTX_set_alpn_select_cb(context.get(), choose, &takes);
  server.reset(SSL_new(context.get()));
  SSL_set_bio(server.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_set_accept_state(server.get());
  const std::string hello = dialer.hello();
  BIO_write(SSL_get_rbio(server.get()), hello.data(), static_cast<int>(hello.size()));
  SSL_do_handshake(server.get());
  char* said = nullptr;
  const long size = BIO_get_mem_data(SSL_get_wbio(server.get()), &said);
  EXPECT_TRUE(is_tls_answer({said, static_cast<std::size_t>(size)}));
  EXPECT_FALSE(is_tls_answer("HTTP/1.1 400 Bad Request"));
  EXPECT_FALSE(is_tls_answer("-ERR"));
}

}  // namespace
}  // namespace gnomon::replay
