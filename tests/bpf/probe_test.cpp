// The probe's owner: what it refuses, and what it says then.

#include <sys/resource.h>
#include <unistd.h>

#include <cmath>

#include "tests/bpf/loopback.h"
#include "tests/bpf/tap_fixture.h"

namespace gnomon {
namespace {

using ::testing::ExitedWithCode;

TEST(ProbeDeathTest, WithoutPrivilegeItSaysWhatToDo) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to give it up";
  EXPECT_EXIT(
      {
        const bool dropped = ::setresgid(65534, 65534, 65534) == 0 && ::setresuid(65534, 65534, 65534) == 0;
        const absl::Status status = probe::Probe::load({}).status();
        std::fputs(std::string(status.message()).c_str(), stderr);
        ::_exit(dropped && absl::IsPermissionDenied(status) ? 0 : 1);
      },
      ExitedWithCode(0), "run as root, or with CAP_BPF");
}

TEST(ProbeOptions, ARingThatIsNoPowerOfTwoIsRefused) {
  for (const std::uint64_t bytes : {0ull, 1000ull, (16ull << 20) + 4096, 1ull << 40}) {
    EXPECT_TRUE(absl::IsInvalidArgument(probe::Probe::load({.ring = Bytes{bytes}}).status())) << bytes;
  }
}

TEST(ProbeCapabilities, SayWhichProgramsLoadAndWhyOthersDoNot) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const absl::StatusOr<probe::Capabilities> found = probe::find_capabilities();
  if (absl::IsFailedPrecondition(found.status())) GNOMON_SKIP_WITHOUT("tap", std::string(found.status().message()));
  ASSERT_TRUE(found.ok());
  std::vector<probe::Attempt> all;
  for (const auto& [design, attempt] : found->tap) all.push_back(attempt);
  for (const auto* attempts : {&found->begin, &found->arrival, &found->send})
    all.insert(all.end(), attempts->begin(), attempts->end());
  for (const probe::Attempt& attempt : all) {
    std::printf("%s at %s: %s\n", attempt.program.c_str(), attempt.hook.c_str(),
                attempt.loads ? "loads" : attempt.reason.c_str());
    EXPECT_NE(attempt.hook, "") << attempt.program;
    EXPECT_EQ(attempt.reason.empty(), attempt.loads) << attempt.program;
    EXPECT_EQ(attempt.error == 0, attempt.loads) << attempt.program;
  }
}

TEST(ProbeCapabilities, TheProbeTriesNothingBeyondWhatItTakes) {
  const absl::StatusOr<std::unique_ptr<probe::Probe>> probe = probe::Probe::load({});
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  if (!probe.ok()) GNOMON_SKIP_WITHOUT("tap", std::string(probe.status().message()));
  const probe::Capabilities& tried = (*probe)->tried();
  ASSERT_TRUE(tried.design().has_value());
  EXPECT_TRUE(tried.tap.back().attempt.loads);
  for (const auto* attempts : {&tried.begin, &tried.arrival, &tried.send})
    EXPECT_EQ(probe::first_that_loads(*attempts), &attempts->back());
}

TEST(KernelSupport, TheDocumentSaysWhatLoadsOnWhichKernel) {
  EXPECT_EQ(kernel_support::documented("tap", "6.1"), "receive-return");
  EXPECT_EQ(kernel_support::documented("fexit/tcp_recvmsg", "6.18"), "varies");
  EXPECT_EQ(kernel_support::documented("tp_btf/skb_copy_datagram_iovec", "6.12"), "yes");
  EXPECT_EQ(kernel_support::documented("responses", "5.10"), "none");
  EXPECT_EQ(kernel_support::documented("tap", "2.4"), std::nullopt);
  EXPECT_EQ(kernel_support::documented("no such thing", "6.1"), std::nullopt);
}

TEST(KernelSupport, ProgramsThatLoadByThemselvesLoadTogether) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const absl::StatusOr<probe::Capabilities> found = probe::find_capabilities();
  if (!found.ok()) GNOMON_SKIP_WITHOUT("tap", std::string(found.status().message()));
  for (const auto& [design, attempt] : found->tap) {
    if (!attempt.loads) continue;
    const absl::Status loaded = probe::Probe::load({.design = design}).status();
    EXPECT_TRUE(loaded.ok()) << attempt.program << ": " << std::string(loaded.message());
  }
}

using ProbeTest = TapTest;

TEST_F(ProbeTest, OnlyTcpSocketsOfTheRightKindAreWatched) {
  load();
  if (IsSkipped() || HasFailure()) return;
  const loopback::Service service([](int) {});
  const UniqueFd client = service.connect();
  const UniqueFd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  EXPECT_TRUE(absl::IsInvalidArgument(probe->watch_listener(client.get(), slot)));
  EXPECT_TRUE(absl::IsInvalidArgument(probe->watch_listener(udp.get(), slot)));
  EXPECT_TRUE(absl::IsInvalidArgument(probe->watch_connection(service.listener(), slot, true)));
  EXPECT_FALSE(probe->watch_listener(-1, slot).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(probe->watch_listener(service.listener(), slot + 1)));
}

TEST_F(ProbeTest, ASocketBelongsToOneSlotUntilThatIsReleased) {
  load();
  if (IsSkipped() || HasFailure()) return;
  const loopback::Service service([](int) {});
  const probe::Slot other = probe->take_slot().value();
  ASSERT_TRUE(probe->watch_listener(service.listener(), slot).ok());
  EXPECT_TRUE(probe->watch_listener(service.listener(), slot).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(probe->watch_listener(service.listener(), other)));
  probe->release_slot(slot);
  EXPECT_TRUE(probe->watch_listener(service.listener(), other).ok());
}

TEST_F(ProbeTest, SlotsRunOutAndComeBack) {
  load();
  if (IsSkipped() || HasFailure()) return;
  std::vector<probe::Slot> slots = {slot};
  while (slots.size() < PROBE_SLOTS) slots.push_back(probe->take_slot().value());
  EXPECT_TRUE(absl::IsResourceExhausted(probe->take_slot().status()));
  probe->release_slot(slots[5]);
  EXPECT_FALSE(probe->read(slots[5]).ok());
  EXPECT_EQ(probe->take_slot().value(), slots[5]);
}

TEST_F(ProbeTest, AFractionOutsideZeroToOneIsRefused) {
  load();
  if (IsSkipped() || HasFailure()) return;
  for (const double value : {-0.01, 1.01, std::nan("")}) {
    EXPECT_TRUE(absl::IsInvalidArgument(probe->set_sampled_fraction(slot, Fraction{value}))) << value;
  }
  EXPECT_TRUE(probe->set_sampled_fraction(slot, Fraction{1}).ok());
}

}  // namespace
}  // namespace gnomon
