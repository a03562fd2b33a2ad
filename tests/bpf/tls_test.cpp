// Capture of TLS through the real kernel and the system's OpenSSL: the plaintext that comes out is what the clients
// sent.

#include <fcntl.h>
#include <openssl/ssl.h>

#include <set>

#include "agent/tls/library.h"
#include "tests/bpf/tap_fixture.h"
#include "tests/bpf/tls_connection.h"

namespace gnomon {
namespace {

using loopback::Service;
using tls_server::Owned;

enum class TlsRead { kRead, kReadEx, kPeekThenRead, kMemoryBio };

std::size_t read_tls(TlsRead call, SSL* ssl, char* data, std::size_t size) {
  std::size_t got = 0;
  if (call == TlsRead::kReadEx) return SSL_read_ex(ssl, data, size, &got) == 1 ? got : 0;
  if (call == TlsRead::kPeekThenRead && SSL_peek(ssl, data, static_cast<int>(size)) <= 0) return 0;
  const int result = SSL_read(ssl, data, static_cast<int>(size));
  return result > 0 ? static_cast<std::size_t>(result) : 0;
}

// Reads in pieces of random size; answers with one byte for each message of `size` bytes.
void serve(SSL_CTX* context, int fd, TlsRead call, std::size_t size) {
  const Owned<SSL> ssl(SSL_new(context));
  SSL_set_fd(ssl.get(), fd);
  if (SSL_accept(ssl.get()) != 1) return;
  std::mt19937_64 random(static_cast<std::uint64_t>(fd));
  std::vector<char> buffer(40'000);
  for (std::size_t have = 0;;) {
    const std::size_t got = read_tls(call, ssl.get(), buffer.data(), 1 + random() % buffer.size());
    if (got == 0) break;
    for (have += got; have >= size; have -= size) SSL_write(ssl.get(), "!", 1);
  }
  SSL_shutdown(ssl.get());
}

// The same with the socket read outside of OpenSSL, as asyncio does.
void serve_memory_bio(SSL_CTX* context, int fd) {
  const Owned<SSL> ssl(SSL_new(context));
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), in, out);
  SSL_set_accept_state(ssl.get());
  char data[4096];
  while (true) {
    const ssize_t got = ::recv(fd, data, sizeof(data), 0);
    if (got <= 0) return;
    BIO_write(in, data, static_cast<int>(got));
    while (SSL_read(ssl.get(), data, sizeof(data)) > 0) SSL_write(ssl.get(), "!", 1);
    for (int n = 0; (n = BIO_read(out, data, sizeof(data))) > 0;)
      loopback::send_all(fd, {data, static_cast<std::size_t>(n)});
  }
}

// Sends `messages` of equal size in writes of random size, each message after the answer to the one before, after
// which `answered` is called.
void run_client(
    const Service& service, int version, const std::vector<std::string>& messages,
    const std::function<void()>& answered = [] {}) {
  const TlsConnection client(service, version);
  SSL* const ssl = client.ssl.get();
  char answer = 0;
  std::mt19937_64 random(static_cast<std::uint64_t>(client.fd.get()));
  for (const std::string& message : messages) {
    for (std::string_view rest = message; !rest.empty();) {
      const std::size_t size = std::min<std::size_t>(rest.size(), 1 + random() % 50'000);
      ASSERT_EQ(SSL_write(ssl, rest.data(), static_cast<int>(size)), static_cast<int>(size));
      rest.remove_prefix(size);
    }
    ASSERT_EQ(SSL_read(ssl, &answer, 1), 1);
    answered();
  }
  SSL_shutdown(ssl);
}

class TlsCapture : public TapTest, public ::testing::WithParamInterface<TlsRead> {
 protected:
  void load_tls(Bytes ring = probe::Options{}.ring) {
    load(ring);
    if (IsSkipped() || HasFailure()) return;
    const auto libraries = tls::find_libraries("/proc", {::getpid()});
    ASSERT_TRUE(libraries.ok()) << std::string(libraries.status().message());
    const absl::Status set = probe->set_tls(slot, *libraries);
    ASSERT_TRUE(set.ok()) << std::string(set.message());
  }
};

TEST_P(TlsCapture, EveryPlaintextByteIsCapturedOnceAndInOrder) {
  load_tls(Bytes{64u << 20});  // holds everything: the reader may be starved on a busy machine
  if (IsSkipped() || HasFailure()) return;
  constexpr std::uint32_t kClients = 8;
  constexpr std::size_t kSize = 1 << 20;
  const Owned<SSL_CTX> context = tls_server::context();
  std::vector<std::vector<std::string>> messages;
  std::set<std::string> expected;
  for (std::uint32_t i = 0; i < kClients; ++i) {
    std::mt19937_64 random(i);
    messages.push_back({loopback::random_bytes(random, kSize), loopback::random_bytes(random, kSize)});
    expected.insert(messages.back()[0] + messages.back()[1]);
  }
  {
    Service service([&](int fd) { serve(context.get(), fd, GetParam(), kSize); });
    watch(service.listener(), 1);
    service.start();
    std::vector<std::thread> clients;
    for (std::uint32_t i = 0; i < kClients; ++i)
      clients.emplace_back([&, i] { run_client(service, i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION, messages[i]); });
    drain_until([&] { return recorder.closed == kClients; });
    for (std::thread& client : clients) client.join();
  }
  std::set<std::string> captured;
  for (const auto& [conn_id, stream] : recorder.streams) {
    EXPECT_EQ(stream.end, tap::StreamEnd::kClosed);
    captured.insert(stream.bytes);
  }
  EXPECT_TRUE(captured == expected) << "plaintext differs from what was sent";
  EXPECT_EQ(counter(PROBE_BYTES), kClients * 2 * kSize);
  EXPECT_EQ(counter(PROBE_TLS_UNSEEN), 0u);
  EXPECT_EQ(assembler.broken_streams(), 0u);
}

INSTANTIATE_TEST_SUITE_P(All, TlsCapture, ::testing::Values(TlsRead::kRead, TlsRead::kReadEx, TlsRead::kPeekThenRead));

TEST_P(TlsCapture, ExchangesInAPauseArePassedOver) {
  load_tls();
  if (IsSkipped() || HasFailure()) return;
  constexpr std::size_t kSize = 40'000;
  const Owned<SSL_CTX> context = tls_server::context();
  std::vector<std::string> messages;
  for (const char letter : {'a', 'b', 'c', 'd'}) messages.emplace_back(kSize, letter);
  {
    Service service([&](int fd) { serve(context.get(), fd, GetParam(), kSize); });
    watch(service.listener(), 1);
    service.start();
    std::size_t answers = 0;
    run_client(service, TLS1_3_VERSION, messages, [&] {
      ++answers;
      EXPECT_TRUE(probe->set_paused(slot, answers == 1 || answers == 2).ok());
    });
  }
  drain_until([&] { return recorder.closed == 1; });
  const SeenStream& stream = recorder.streams.begin()->second;
  EXPECT_TRUE(stream.bytes == messages[0] + messages[3]);
  EXPECT_THAT(stream.pauses, ::testing::ElementsAre(kSize));
  EXPECT_EQ(stream.end, tap::StreamEnd::kClosed);
  EXPECT_EQ(counter(PROBE_PAUSED), 2 * kSize);
  EXPECT_EQ(assembler.broken_streams(), 0u);
}

class TlsTest : public TlsCapture {};

TEST_P(TlsTest, ConnectionsReadOutsideOfOpensslAreCountedAndBroken) {
  load_tls();
  if (IsSkipped() || HasFailure()) return;
  const Owned<SSL_CTX> context = tls_server::context();
  {
    Service service([&](int fd) { serve_memory_bio(context.get(), fd); });
    watch(service.listener(), 1);
    service.start();
    run_client(service, TLS1_3_VERSION, {"unseen"});
  }
  drain_until([&] { return recorder.closed == 1; });
  EXPECT_EQ(recorder.streams.begin()->second.bytes, "");
  EXPECT_EQ(recorder.streams.begin()->second.end, tap::StreamEnd::kBroken);
  EXPECT_EQ(counter(PROBE_TLS_UNSEEN), 1u);
}

TEST_P(TlsTest, TheFunctionBehindTheReadsIsFound) {
  const auto libraries = tls::find_libraries("/proc", {::getpid()});
  ASSERT_TRUE(libraries.ok()) << std::string(libraries.status().message());
  EXPECT_TRUE(libraries->front().offsets.contains(tls::kInnerRead));
  EXPECT_FALSE(libraries->front().offsets.contains("SSL_read"));
}

// What is at the beginning of SSL_do_handshake in this process: a probe puts a breakpoint there.
unsigned char first_instruction() {
  return *reinterpret_cast<const volatile unsigned char*>(reinterpret_cast<std::uintptr_t>(&SSL_do_handshake));
}

TEST_P(TlsTest, AReleasedSlotLeavesNoUprobe) {
  const unsigned char before = first_instruction();
  load_tls();
  if (IsSkipped() || HasFailure()) return;
  EXPECT_NE(first_instruction(), before);
  probe->release_slot(slot);
  EXPECT_EQ(first_instruction(), before);
}

TEST_P(TlsTest, ALossIsAHoleAndCaptureGoesOnAfterIt) {
  load_tls(Bytes{256u << 10});
  if (IsSkipped() || HasFailure()) return;
  constexpr std::size_t kSize = 1 << 20;
  const Owned<SSL_CTX> context = tls_server::context();
  std::mt19937_64 random(1);
  const std::vector<std::string> messages{loopback::random_bytes(random, kSize), loopback::random_bytes(random, kSize)};
  std::size_t after_first = 0;
  {
    Service service([&](int fd) { serve(context.get(), fd, TlsRead::kRead, kSize); });
    watch(service.listener(), 1);
    service.start();
    run_client(service, TLS1_3_VERSION, messages, [&] {
      drain();
      if (after_first == 0) after_first = recorder.streams.begin()->second.bytes.size();
    });
  }
  drain_until([&] { return recorder.closed == 1; });
  const SeenStream& stream = recorder.streams.begin()->second;
  ASSERT_EQ(stream.holes.size(), 1u);
  EXPECT_EQ(stream.holes[0], after_first);
  EXPECT_TRUE(stream.bytes.substr(0, after_first) == messages[0].substr(0, after_first));
  const std::string_view second = std::string_view(stream.bytes).substr(after_first);
  EXPECT_GT(second.size(), 0u);
  EXPECT_TRUE(second == messages[1].substr(0, second.size()));
  EXPECT_EQ(counter(PROBE_BYTES), 2 * kSize);
  EXPECT_EQ(stream.bytes.size() + counter(PROBE_RING_FULL_BYTES) + counter(PROBE_SKIPPED_BYTES), 2 * kSize);
}

INSTANTIATE_TEST_SUITE_P(All, TlsTest, ::testing::Values(TlsRead::kMemoryBio));

}  // namespace
}  // namespace gnomon
