// Service time and response status, as the kernel sees them.

#include <chrono>

#include "tests/bpf/loopback.h"
#include "tests/bpf/tap_fixture.h"

namespace gnomon {
namespace {

using loopback::Service;

constexpr std::size_t kRequestBytes = 16;
// Long, as an emulated machine stands still for tens of milliseconds.
constexpr Nanos kSlow = std::chrono::milliseconds(150);

std::string request() {
  return std::string(kRequestBytes, 'q');
}

std::string response(int status) {
  return "HTTP/1.1 " + std::to_string(status) + " Text\r\nContent-Length: 0\r\n\r\n";
}

// Calls `answer(fd, n)` for the n-th request of the connection, until the client closes.
Service::Serve each_request(std::function<void(int fd, std::size_t n)> answer) {
  return [answer = std::move(answer)](int fd) {
    for (std::size_t n = 0; loopback::receive(fd, kRequestBytes).size() == kRequestBytes; ++n) answer(fd, n);
  };
}

class LatencyTest : public TapTest {
 protected:
  // Sends `count` requests on one connection of `service`, each after `reply_bytes` of reply to the one before.
  void ask(const Service& service, std::size_t count, std::size_t reply_bytes) {
    const UniqueFd client = service.connect();
    for (std::size_t i = 0; i < count; ++i) {
      loopback::send_all(client.get(), request());
      ASSERT_EQ(loopback::receive(client.get(), reply_bytes).size(), reply_bytes);
    }
  }
  void thin(unsigned thinning) { EXPECT_TRUE(probe->set_thinning(slot, thinning).ok()); }
  static std::uint64_t slow(const probe::Reading& reading) {
    std::uint64_t slow = 0;
    for (const auto& [bucket, n] : reading.service_time.buckets())
      if (Nanos(histogram_lower_edge(bucket)) > kSlow * 31 / 32) slow += n;
    return slow;
  }
  // Status is read only where the kernel shows the message that is sent.
  bool sees_status() { return counter(PROBE_STATUS_UNKNOWN) == 0; }
};

TEST_F(LatencyTest, ServiceTimeIsAtLeastTheServicesDelayAndEveryRequestIsCounted) {
  load();
  if (IsSkipped() || HasFailure()) return;
  constexpr auto kDelay = std::chrono::milliseconds(5);
  Service service(each_request([&](int fd, std::size_t) {
    std::this_thread::sleep_for(kDelay);  // this is the service's work
    loopback::send_all(fd, response(200));
    loopback::send_all(fd, "a second send of the same response");
  }));
  watch(service.listener(), 0);
  service.start();
  ask(service, 40, response(200).size() + 34);
  const probe::Reading reading = probe->read(slot).value();
  EXPECT_EQ(reading.service_time.count(), 40u);
  EXPECT_EQ(reading.counter[PROBE_REQUESTS], 40u);
  EXPECT_EQ(reading.counter[PROBE_SENT], 80u);
  EXPECT_GE(*reading.service_time.quantile(0), kDelay * 31 / 32);  // a bucket is 1/32 wide
  EXPECT_GE(*reading.service_time.mean(), kDelay);
  EXPECT_EQ(counter(PROBE_RECORDS), 0u);
}

TEST_F(LatencyTest, StatusesOf500To599AreErrorsAndNothingElseIs) {
  load();
  if (IsSkipped() || HasFailure()) return;
  const std::vector<int> statuses = {200, 500, 404, 503, 599, 301, 499};
  Service service(each_request([&](int fd, std::size_t n) { loopback::send_all(fd, response(statuses[n])); }));
  watch(service.listener(), 0);
  service.start();
  ask(service, statuses.size(), response(200).size());
  EXPECT_EQ(counter(PROBE_REQUESTS), statuses.size());
  if (!sees_status()) GTEST_SKIP() << "no tracepoint tcp_sendmsg_locked on this kernel: status is not read";
  EXPECT_EQ(counter(PROBE_STATUS_ERROR), 3u);
}

TEST_F(LatencyTest, AStatusLineInSeveralSegmentsIsRead) {
  load();
  if (IsSkipped() || HasFailure()) return;
  Service service(each_request([](int fd, std::size_t) {
    std::string parts[] = {"HTTP/1.1", " ", "", "503", " ", "Busy\r\n\r\n"};
    std::vector<iovec> segments;
    for (std::string& part : parts) segments.push_back({part.data(), part.size()});
    ::writev(fd, segments.data(), static_cast<int>(segments.size()));
  }));
  watch(service.listener(), 0);
  service.start();
  ask(service, 5, 21);
  EXPECT_EQ(counter(PROBE_REQUESTS), 5u);
  if (!sees_status()) GTEST_SKIP() << "no tracepoint tcp_sendmsg_locked on this kernel: status is not read";
  EXPECT_EQ(counter(PROBE_STATUS_ERROR), 5u);
}

TEST_F(LatencyTest, AnInterimResponseDoesNotAnswerTheRequest) {
  load();
  if (IsSkipped() || HasFailure()) return;
  constexpr auto kDelay = std::chrono::milliseconds(5);
  Service service(each_request([&](int fd, std::size_t) {
    loopback::send_all(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    std::this_thread::sleep_for(kDelay);  // this is the service's work
    loopback::send_all(fd, response(500));
  }));
  watch(service.listener(), 0);
  service.start();
  ask(service, 10, 25 + response(500).size());
  if (!sees_status()) GTEST_SKIP() << "no tracepoint tcp_sendmsg_locked on this kernel: status is not read";
  EXPECT_EQ(counter(PROBE_REQUESTS), 10u);
  EXPECT_EQ(counter(PROBE_STATUS_ERROR), 10u);
  EXPECT_GE(*probe->read(slot).value().service_time.quantile(0), kDelay * 31 / 32);
}

TEST_F(LatencyTest, AResponseInTheSameSendAsAnInterimOneAnswersTheRequest) {
  load();
  if (IsSkipped() || HasFailure()) return;
  const std::string last = response(500), both = "HTTP/1.1 100 Continue\r\n\r\n" + last;
  Service one(each_request([&](int fd, std::size_t) { loopback::send_all(fd, last); }));
  Service other(each_request([&](int fd, std::size_t) { loopback::send_all(fd, both); }));
  for (Service* service : {&one, &other}) {
    watch(service->listener(), 0);
    service->start();
  }
  ask(one, 1, last.size());
  if (!sees_status()) GTEST_SKIP() << "no tracepoint tcp_sendmsg_locked on this kernel: status is not read";
  ask(other, 10, both.size());
  EXPECT_EQ(counter(PROBE_REQUESTS), 11u);
  EXPECT_EQ(counter(PROBE_STATUS_ERROR), 11u);
}

TEST_F(LatencyTest, AnotherProtocolsResponsesHaveNoStatus) {
  load();
  if (IsSkipped() || HasFailure()) return;
  Service service(each_request([](int fd, std::size_t) { loopback::send_all(fd, "+PONG\r\n"); }));
  watch(service.listener(), 0);
  service.start();
  ask(service, 6, 7);
  EXPECT_EQ(counter(PROBE_REQUESTS), 6u);
  EXPECT_EQ(counter(PROBE_STATUS_UNKNOWN), 6u);
  EXPECT_EQ(counter(PROBE_STATUS_ERROR), 0u);
}

// One exchange in four is measured: their number is multiplied up, and each is whole.
TEST_F(LatencyTest, ThinnedExchangesAreMeasuredFromBeginToEnd) {
  load();
  if (IsSkipped() || HasFailure()) return;
  constexpr std::size_t kCount = 2'000;
  constexpr unsigned kThinning = 2;
  Service service(each_request([](int fd, std::size_t n) {
    if (n % 50 == 0) std::this_thread::sleep_for(kSlow);
    loopback::send_all(fd, response(n % 4 == 0 ? 500 : 200));
  }));
  watch(service.listener(), 0);
  service.start();
  thin(kThinning);
  ask(service, kCount, response(200).size());
  const probe::Reading reading = probe->read(slot).value();
  if (reading.service_time.count() == kCount) GTEST_SKIP() << "no hook at the begin of a send: nothing is thinned";
  EXPECT_EQ(reading.counter[PROBE_REQUESTS], reading.service_time.count() << kThinning);
  // Of a binomial distribution: 500 with a standard deviation of 19; five of them.
  EXPECT_NEAR(static_cast<double>(reading.service_time.count()), 500, 95);
  if (sees_status()) {
    EXPECT_NEAR(static_cast<double>(reading.counter[PROBE_STATUS_ERROR]), 500, 220);
  }
  // 10 are slow. Were they from one's request to another's response, 4 exchanges on, 40 were.
  EXPECT_LT(slow(reading), 25u);
}

// A request that was chosen, and whose response is not when more are left out, begins nothing.
TEST_F(LatencyTest, AResponseThatIsPassedOverLeavesNoRequestBehind) {
  load();
  if (IsSkipped() || HasFailure()) return;
  Service service(each_request([&](int fd, std::size_t n) {
    // Between a request and its response.
    if (n == 0) thin(PROBE_MOST_THINNING);
    if (n == 1) std::this_thread::sleep_for(kSlow);
    if (n == 1) thin(1);
    loopback::send_all(fd, response(200));
  }));
  watch(service.listener(), 0);
  service.start();
  for (int connection = 0; connection < 40; ++connection) {
    thin(1);
    ask(service, 10, response(200).size());
  }
  const probe::Reading reading = probe->read(slot).value();
  EXPECT_GT(reading.service_time.count(), 40u);
  // Of a quarter of the connections the first request and the second response are chosen.
  EXPECT_LE(slow(reading), 3u);
}

// Nor does one that was measured as all were, when the first ones are left out.
TEST_F(LatencyTest, AResponseThatIsTheFirstToBePassedOverLeavesNoRequestBehind) {
  load();
  if (IsSkipped() || HasFailure()) return;
  Service service(each_request([&](int fd, std::size_t n) {
    if (n == 0) thin(PROBE_MOST_THINNING);  // between a request and its response
    if (n == 1) std::this_thread::sleep_for(kSlow);
    if (n == 1) thin(0);
    loopback::send_all(fd, response(200));
  }));
  watch(service.listener(), 1);
  service.start();
  for (int connection = 0; connection < 20; ++connection) {
    thin(0);
    ask(service, 3, response(200).size());
  }
  const probe::Reading reading = probe->read(slot).value();
  EXPECT_GE(reading.service_time.count(), 20u);
  EXPECT_LE(slow(reading), 1u);  // of a second request whose arrival was chosen: one in 1024
}

TEST_F(LatencyTest, ConnectionsThatAreMeasuredWholeAreNotThinned) {
  load();
  if (IsSkipped() || HasFailure()) return;
  Service service(each_request([](int fd, std::size_t) { loopback::send_all(fd, response(200)); }));
  ASSERT_TRUE(probe->measure_whole(slot).ok());
  watch(service.listener(), 0);
  service.start();
  const probe::Slot other = probe->take_slot().value();  // a service at the same port, in another namespace say
  ASSERT_TRUE(probe->set_thinning(other, 5).ok());
  thin(5);
  ask(service, 100, response(200).size());
  EXPECT_EQ(counter(PROBE_REQUESTS), 100u);
  EXPECT_EQ(probe->read(slot).value().service_time.count(), 100u);
}

// What is captured does not depend on what is measured.
TEST_F(LatencyTest, SampledConnectionsAreThinnedAndCapturedWhole) {
  load();
  if (IsSkipped() || HasFailure()) return;
  Service service(each_request([](int fd, std::size_t) { loopback::send_all(fd, response(200)); }));
  watch(service.listener(), 1);
  service.start();
  thin(PROBE_MOST_THINNING);
  ask(service, 100, response(200).size());
  drain_until([&] { return recorder.closed == 1; });
  const probe::Reading reading = probe->read(slot).value();
  EXPECT_LE(reading.service_time.count(), 10u);  // of 100 exchanges, one in 1024 being measured
  EXPECT_EQ(reading.counter[PROBE_BYTES], 100 * kRequestBytes);
  // Each request but the first comes after a response.
  std::vector<bool> after_send(100, true);
  after_send[0] = false;
  EXPECT_EQ(recorder.streams.begin()->second.after_send, after_send);
}

TEST_F(LatencyTest, ThinningBeyondWhatThereIsIsRefused) {
  load();
  if (IsSkipped() || HasFailure()) return;
  EXPECT_TRUE(absl::IsInvalidArgument(probe->set_thinning(slot, PROBE_MOST_THINNING + 1)));
}

TEST_F(LatencyTest, TheEndOfTheStreamIsNoRequest) {
  load();
  if (IsSkipped() || HasFailure()) return;
  Service service([](int fd) {
    while (!loopback::receive(fd, kRequestBytes).empty()) loopback::send_all(fd, response(200));
    loopback::send_all(fd, "bye");
  });
  watch(service.listener(), 0);
  service.start();
  const UniqueFd client = service.connect();
  loopback::send_all(client.get(), request());
  ASSERT_EQ(loopback::receive(client.get(), response(200).size()), response(200));
  ::shutdown(client.get(), SHUT_WR);
  ASSERT_EQ(loopback::receive(client.get(), 3), "bye");
  EXPECT_EQ(counter(PROBE_SENT), 2u);
  EXPECT_EQ(counter(PROBE_REQUESTS), 1u);
}

}  // namespace
}  // namespace gnomon
