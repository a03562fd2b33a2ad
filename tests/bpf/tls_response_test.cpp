// What the probe copies of the responses that a service writes through OpenSSL: their beginnings, in plaintext.

#include <openssl/ssl.h>

#include "agent/tls/library.h"
#include "tests/bpf/responses.h"
#include "tests/bpf/tls_connection.h"

namespace gnomon {
namespace {

using loopback::Service;
using responses::expect_beginnings;
using responses::random_responses;
using tls_server::Owned;

enum class TlsWrite { kWrite, kWriteEx, kInPieces };

void write_tls(TlsWrite call, SSL* ssl, std::string_view response) {
  std::mt19937_64 random(response.size());
  while (!response.empty()) {
    const std::size_t size = call == TlsWrite::kInPieces ? 1 + random() % response.size() : response.size();
    std::size_t written = size;
    if (call == TlsWrite::kWriteEx)
      ASSERT_EQ(SSL_write_ex(ssl, response.data(), size, &written), 1);
    else
      ASSERT_EQ(SSL_write(ssl, response.data(), static_cast<int>(size)), static_cast<int>(size));
    response.remove_prefix(written);
  }
}

class TlsResponses : public responses::Responses, public ::testing::WithParamInterface<TlsWrite> {
 protected:
  void start(Service& service, std::uint64_t bound) {
    load();
    if (IsSkipped()) return;
    const auto libraries = tls::find_libraries("/proc", {::getpid()});
    ASSERT_TRUE(libraries.ok()) << std::string(libraries.status().message());
    const absl::Status set = probe->set_tls(slot, *libraries);
    ASSERT_TRUE(set.ok()) << std::string(set.message());
    ASSERT_TRUE(probe->set_responses(slot, Bytes{bound}).ok());
    watch(service.listener(), 1);
    service.start();
  }
  // Answers each byte read with the next of `responses`.
  Service::Serve answering(const std::vector<std::string>& responses) {
    return [this, &responses](int fd) {
      const Owned<SSL> ssl(SSL_new(context.get()));
      SSL_set_fd(ssl.get(), fd);
      if (SSL_accept(ssl.get()) != 1) return;
      char question = 0;
      for (const std::string& response : responses) {
        if (SSL_read(ssl.get(), &question, 1) != 1) return;
        write_tls(GetParam(), ssl.get(), response);
      }
      SSL_shutdown(ssl.get());
    };
  }
  static void ask(
      const Service& service, int version, const std::vector<std::string>& responses,
      const std::function<void(std::size_t)>& before = [](std::size_t) {}) {
    const TlsConnection client(service, version);
    SSL* const ssl = client.ssl.get();
    for (std::size_t i = 0; i < responses.size(); ++i) {
      before(i);
      ASSERT_EQ(SSL_write(ssl, "?", 1), 1);
      std::string answer(responses[i].size(), 0);
      for (std::size_t have = 0; have < answer.size();) {
        const int got = SSL_read(ssl, answer.data() + have, static_cast<int>(answer.size() - have));
        ASSERT_GT(got, 0);
        have += static_cast<std::size_t>(got);
      }
      ASSERT_TRUE(answer == responses[i]);
    }
  }

  const Owned<SSL_CTX> context = tls_server::context();
};

INSTANTIATE_TEST_SUITE_P(All, TlsResponses,
                         ::testing::Values(TlsWrite::kWrite, TlsWrite::kWriteEx, TlsWrite::kInPieces));

TEST_P(TlsResponses, BeginningsArriveExactlyWhateverTheirSizes) {
  const std::vector<std::string> responses = random_responses(100, 60'000);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    Service service(answering(responses));
    ASSERT_NO_FATAL_FAILURE(start(service, 4096));
    if (IsSkipped()) return;
    ask(service, version, responses);
    read_until_closed(1);
    ASSERT_EQ(seen.size(), 1u);
    expect_beginnings(seen.begin()->second, responses, 4096);
    EXPECT_EQ(counted(RESPONSE_LOST) + counted(RESPONSE_UNREADABLE), 0u);
    seen.clear();
  }
}

TEST_P(TlsResponses, WhatIsWrittenInAPauseIsPassedOver) {
  const std::vector<std::string> responses = random_responses(8, 20'000);
  Service service(answering(responses));
  ASSERT_NO_FATAL_FAILURE(start(service, 30'000));
  if (IsSkipped()) return;
  ask(service, TLS1_3_VERSION, responses,
      [&](std::size_t next) { EXPECT_TRUE(probe->set_paused(slot, next >= 2 && next < 5).ok()); });
  read_until_closed(1);
  // Those of the pause have no numbers.
  EXPECT_TRUE(seen.begin()->second.from(0) == responses[0] + responses[1] + responses[5] + responses[6] + responses[7]);
  EXPECT_FALSE(seen.begin()->second.lost);
}

// What is at the beginning of SSL_write in this process: a probe puts a breakpoint there.
unsigned char first_instruction() {
  return *reinterpret_cast<const volatile unsigned char*>(reinterpret_cast<std::uintptr_t>(&SSL_write));
}

TEST_P(TlsResponses, NoWriteIsProbedUnlessResponsesAreAskedFor) {
  const unsigned char before = first_instruction();
  const std::vector<std::string> responses = {"one"};
  Service service(answering(responses));
  ASSERT_NO_FATAL_FAILURE(start(service, 4096));
  if (IsSkipped()) return;
  EXPECT_NE(first_instruction(), before);
  ASSERT_TRUE(probe->set_responses(slot, Bytes{0}).ok());
  EXPECT_EQ(first_instruction(), before);
  ask(service, TLS1_3_VERSION, responses);
  read_until_closed(1);
  EXPECT_TRUE(seen.empty());
}

}  // namespace
}  // namespace gnomon
