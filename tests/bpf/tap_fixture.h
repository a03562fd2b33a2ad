#pragma once
// The real probe, its ring read by a StreamAssembler, and the streams that come out of it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "agent/probe/probe.h"
#include "agent/tap/stream.h"
#include "tests/bpf/kernel_support.h"

namespace gnomon {

// One stream as its reader saw it.
struct SeenStream {
  std::string bytes;
  std::vector<bool> after_send;            // of each piece
  std::vector<std::size_t> after_send_at;  // where in `bytes` those pieces begin
  std::vector<std::size_t> holes;          // where in `bytes` some are missing
  std::vector<std::size_t> pauses;         // where some were passed over
  bool joined = false;
  bool closed = false;
  tap::StreamEnd end = tap::StreamEnd::kClosed;
};

class Recorder final : public tap::StreamSink {
 public:
  void open(std::uint64_t conn_id, MonoTime, bool joined) override {
    EXPECT_TRUE(streams.emplace(conn_id, SeenStream{.joined = joined}).second) << "opened twice";
  }
  void bytes(std::uint64_t conn_id, MonoTime, std::span<const std::byte> data, bool after_send) override {
    SeenStream& stream = streams.at(conn_id);
    EXPECT_FALSE(stream.closed) << "bytes after the end";
    if (after_send) stream.after_send_at.push_back(stream.bytes.size());
    stream.bytes.append(reinterpret_cast<const char*>(data.data()), data.size());
    stream.after_send.push_back(after_send);
  }
  void hole(std::uint64_t conn_id, MonoTime) override {
    SeenStream& stream = streams.at(conn_id);
    stream.holes.push_back(stream.bytes.size());
  }
  void paused(std::uint64_t conn_id, MonoTime) override {
    SeenStream& stream = streams.at(conn_id);
    EXPECT_FALSE(stream.closed) << "a pause after the end";
    stream.pauses.push_back(stream.bytes.size());
  }
  void close(std::uint64_t conn_id, MonoTime, tap::StreamEnd end) override {
    SeenStream& stream = streams.at(conn_id);
    EXPECT_FALSE(stream.closed) << "closed twice";
    stream.closed = true;
    stream.end = end;
    ++closed;
  }
  std::map<std::uint64_t, SeenStream> streams;
  std::size_t closed = 0;
};

// As docs/kernel-support.md names it.
inline std::string_view hook_of(probe::TapDesign design) {
  switch (design) {
    case probe::TapDesign::kPacketCopy:
      return "tp_btf/skb_copy_datagram_iovec";
    case probe::TapDesign::kReceiveReturn:
      return "fexit/tcp_recvmsg";
    case probe::TapDesign::kReceiveCall:
      return "tp_btf/sock_recv_length";
  }
  return "";
}

class TapTest : public ::testing::Test {
 protected:
  // Skips the test, with the reason, where the user's rights do not allow the probe, or the kernel does not, and need
  // not.
  void load(Bytes ring = probe::Options{}.ring) {
    absl::StatusOr<std::unique_ptr<probe::Probe>> loaded = probe::Probe::load({.ring = ring, .design = design});
    const std::string reason(loaded.status().message());
    if (absl::IsPermissionDenied(loaded.status()) && ::geteuid() != 0) GTEST_SKIP() << reason;
    if (absl::IsPermissionDenied(loaded.status()) || absl::IsFailedPrecondition(loaded.status()))
      GNOMON_SKIP_WITHOUT(design ? hook_of(*design) : "tap", reason);
    ASSERT_TRUE(loaded.ok()) << std::string(loaded.status().message());
    probe = *std::move(loaded);
    slot = probe->take_slot().value();
  }

  void watch(int listener, double fraction) {
    ASSERT_TRUE(probe->watch_listener(listener, slot).ok());
    ASSERT_TRUE(probe->set_sampled_fraction(slot, Fraction{fraction}).ok());
  }

  // Hands what is in the ring to the assembler. Returns how many records there were.
  std::size_t drain() {
    return probe
        ->poll(
            [this](const tap_record& header, std::span<const std::byte> payload) { assembler.record(header, payload); },
            Nanos(0))
        .value();
  }

  // Reads the ring until `done`; fails if that takes more than two minutes (a bound for a hung test, also in an
  // emulated machine, not a measurement).
  template <class Done>
  void drain_until(Done done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "records are missing";
      const absl::StatusOr<std::size_t> polled = probe->poll(
          [this](const tap_record& header, std::span<const std::byte> payload) { assembler.record(header, payload); },
          std::chrono::milliseconds(20));
      ASSERT_TRUE(polled.ok()) << std::string(polled.status().message());
    }
    drain();
  }

  std::uint64_t counter(probe_counter which) { return probe->read(slot).value().counter[which]; }

  std::optional<probe::TapDesign> design;  // not set: the kernel's best
  std::unique_ptr<probe::Probe> probe;
  probe::Slot slot = 0;
  Recorder recorder;
  tap::StreamAssembler assembler{recorder};
};

inline constexpr std::array kTapDesigns = {probe::TapDesign::kPacketCopy, probe::TapDesign::kReceiveReturn,
                                           probe::TapDesign::kReceiveCall};

// Names the parameter in the lists that tests are found and told in.
namespace probe {
inline void PrintTo(TapDesign design, std::ostream* to) {
  *to << design_name(design);
}
}  // namespace probe

inline std::string test_name(probe::TapDesign design) {
  std::string name(probe::design_name(design));
  std::ranges::replace(name, '-', '_');
  return name;
}

inline std::string design_of(const ::testing::TestParamInfo<probe::TapDesign>& tap) {
  return test_name(tap.param);
}

// A test of each design; skipped, with the kernel's reason, where that does not load.
class EachTap : public TapTest, public ::testing::WithParamInterface<probe::TapDesign> {
 protected:
  void SetUp() override { design = GetParam(); }
};

}  // namespace gnomon
