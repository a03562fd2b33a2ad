// Attaching to a library takes long, and detaching longer: everything else goes on meanwhile.

#include <filesystem>
#include <future>

#include "agent/tls/library.h"
#include "tests/bpf/tap_fixture.h"

namespace gnomon {
namespace {

// Whose names hold `kind`; each uprobe has one of "perf_event".
std::size_t open_files(std::string_view kind = "") {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;  // the listing's own is
    count += std::filesystem::read_symlink(entry, gone).string().find(kind) != std::string::npos;
  }
  return count;
}

std::size_t uprobes() {
  return open_files("perf_event");
}

class TlsAttach : public TapTest {
 protected:
  void load_with_library() {
    load();
    if (IsSkipped() || HasFailure()) return;
    const auto found = tls::find_libraries("/proc", {::getpid()});
    ASSERT_TRUE(found.ok()) << std::string(found.status().message());
    libraries = *found;
  }
  template <class Call>
  static bool going_on(const std::future<Call>& call) {
    return call.wait_for(std::chrono::seconds(0)) == std::future_status::timeout;
  }

  std::vector<tls::Library> libraries;
};

TEST_F(TlsAttach, OtherCallsDoNotWaitForASlotToBeReleased) {
  load_with_library();
  if (IsSkipped() || HasFailure()) return;
  const probe::Slot other = probe->take_slot().value();
  ASSERT_TRUE(probe->set_tls(slot, libraries).ok());
  const std::size_t all = uprobes();
  const auto released = std::async(std::launch::async, [this] { probe->release_slot(slot); });
  std::size_t meanwhile = 0;
  while (going_on(released)) {
    ASSERT_TRUE(probe->read(other).ok());
    ASSERT_TRUE(probe->set_sampled_fraction(other, Fraction{0.5}).ok());
    const std::size_t left = uprobes();
    meanwhile += left > 0 && left < all;
  }
  EXPECT_GT(meanwhile, 0u);
  EXPECT_EQ(uprobes(), 0u);
}

TEST_F(TlsAttach, ASlotThatIsReleasedBeforeItsLibraryIsAttachedLeavesNoUprobe) {
  absl::Status set;
  for (int tries = 0; set.ok() && tries < 20; ++tries) {  // until it is released in time
    load_with_library();
    if (IsSkipped() || HasFailure()) return;
    const std::size_t before = open_files();
    auto attached = std::async(std::launch::async, [this] { return probe->set_tls(slot, libraries); });
    while (going_on(attached) && open_files() == before) std::this_thread::yield();  // the programs are being loaded
    probe->release_slot(slot);
    const probe::Slot next = probe->take_slot().value();
    EXPECT_EQ(next, slot);
    set = attached.get();
    EXPECT_EQ(uprobes(), 0u);
    ASSERT_TRUE(probe->set_tls(next, libraries).ok());
    EXPECT_GT(uprobes(), 0u);
    probe.reset();
    EXPECT_EQ(uprobes(), 0u);
  }
  EXPECT_EQ(set.code(), absl::StatusCode::kCancelled) << std::string(set.message());
}

}  // namespace
}  // namespace gnomon
