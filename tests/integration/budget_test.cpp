// What all shadows of a node may have together, and what one of them has while it runs.

#include <algorithm>
#include <fstream>

#include "agent/shadow/cgroups.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "tests/integration/shadow_fixture.h"

namespace gnomon::shadow {
namespace {

using ::testing::HasSubstr;

constexpr char kFill[] = R"(
import errno
def fill(path):
    size = 0
    try:
        with open(path, 'wb', 0) as f:
            while True: size += f.write(bytes(1 << 20))
    except OSError as e: return errno.errorcode[e.errno], size >> 20
def hold(mebibytes):
    global kept
    kept = bytearray(b'x') * (mebibytes << 20)
    return len(kept) >> 20
)";

class ShadowBudget : public EvalShadow {
 protected:
  ShadowBudget() : EvalShadow(kFill) {}

  absl::StatusOr<std::unique_ptr<Shadow>> another(const std::string& id, std::int64_t cpu, std::uint64_t mebibytes) {
    return runtime_->start({id, instance_, MilliCpu{cpu}, Bytes{mebibytes << 20}});
  }

  // The first number in the first of these files that a cgroup of the agent's, or of the session's, has; 0: none has.
  std::uint64_t number_in(std::vector<std::string> files, const std::string& session) {
    for (const std::string& directory : agent_cgroups(kCgroupRoot, agent_name(), session)) {
      const bool own = directory.ends_with("/" + (session.empty() ? agent_name() : session));
      for (const std::string& file : files) {
        std::uint64_t number = 0;
        if (own && std::ifstream(directory + "/" + file) >> number) return number;
      }
    }
    return 0;
  }
  std::string agent_name() const {
    std::string name = state_directory();
    name.erase(std::remove(name.begin(), name.end(), ' '), name.end());
    return name;
  }
};

TEST_F(ShadowBudget, IsSharedByAllShadows) {
  ASSERT_NO_FATAL_FAILURE(start_shadow(Bytes{512u << 20}));  // 0.25 of 1 CPU
  const auto second = another("s2", 750, 256);
  ASSERT_TRUE(second.ok()) << second.status();
  const auto third = another("s3", 10, 16);
  ASSERT_FALSE(third.ok());
  EXPECT_TRUE(absl::IsResourceExhausted(third.status()));
  EXPECT_THAT(std::string(third.status().message()), HasSubstr("0.01 CPUs are asked for, and 0 of the 1 CPUs"));
}

TEST_F(ShadowBudget, FollowsLimitsThatAreChangedWhileAShadowRuns) {
  ASSERT_NO_FATAL_FAILURE(start_shadow(Bytes{512u << 20}));
  const auto second = another("s2", 500, 256);
  ASSERT_TRUE(second.ok()) << second.status();

  const absl::Status too_much = shadow_->set_limits(MilliCpu{600}, Bytes{512u << 20});
  EXPECT_TRUE(absl::IsResourceExhausted(too_much)) << too_much;
  const absl::Status grown = shadow_->set_limits(MilliCpu{500}, Bytes{700u << 20});
  ASSERT_TRUE(grown.ok()) << grown;
  EXPECT_EQ(number_in({"memory.limit_in_bytes", "memory.max"}, "s1"), (700u + 256u) << 20) << "with what it may write";
  EXPECT_EQ(number_in({"cpu.cfs_quota_us", "cpu.max"}, "s1"), 50'000u);
  EXPECT_FALSE(another("s3", 10, 16).ok()) << "what it has got is not free any more";

  const absl::Status shrunk = shadow_->set_limits(MilliCpu{100}, Bytes{128u << 20});
  ASSERT_TRUE(shrunk.ok()) << shrunk;
  EXPECT_EQ(number_in({"cpu.cfs_quota_us", "cpu.max"}, "s1"), 10'000u);
  const auto third = another("s3", 400, 256);
  EXPECT_TRUE(third.ok()) << third.status() << ": what it has given back is free";
  EXPECT_EQ(inside("6 * 7"), "42") << "it runs on";
}

TEST_F(ShadowBudget, HasADiskWeightThatChangesWhileAShadowRunsWhereDisksKnowWeights) {
  Spec wanted = spec(MilliCpu{250}, Bytes{128u << 20});
  ASSERT_NO_FATAL_FAILURE(start_shadow(wanted));
  const std::vector<std::string> files = {"blkio.bfq.weight", "blkio.weight"};
  const absl::Status changed = shadow_->set_limits(MilliCpu{250}, Bytes{128u << 20}, 37);
  if (absl::IsFailedPrecondition(changed)) {
    EXPECT_THAT(std::string(changed.message()), HasSubstr("resource_allocation.io_weight: no disk of this node"));
    GTEST_SKIP() << changed.message();
  }
  ASSERT_TRUE(changed.ok()) << changed;
  const auto v2_weight = [this] {
    for (const std::string& directory : agent_cgroups(kCgroupRoot, agent_name(), "s1"))
      for (const char* file : {"/io.weight", "/io.bfq.weight"}) {
        std::ifstream in(directory + file);
        std::string word;
        std::uint64_t weight = 0;
        if (directory.ends_with("/s1") && in >> word >> weight) return weight;
      }
    return std::uint64_t{0};
  };
  EXPECT_EQ(std::max(number_in(files, "s1"), v2_weight()), 37u);
  ASSERT_TRUE(shadow_->set_limits(MilliCpu{300}, Bytes{128u << 20}).ok());
  EXPECT_EQ(std::max(number_in(files, "s1"), v2_weight()), 37u) << "it stays as it is";
  shadow_.reset();
  wanted.io_weight = 12;
  ASSERT_NO_FATAL_FAILURE(start_shadow(wanted));
  EXPECT_EQ(std::max(number_in(files, "s1"), v2_weight()), 12u) << "from the beginning";
}

TEST_F(ShadowBudget, IsNotTakenFromMemoryInUse) {
  ASSERT_NO_FATAL_FAILURE(start_shadow(Bytes{256u << 20}));  // and 128 MiB to write
  EXPECT_EQ(inside("hold(200)"), "200");
  const absl::Status refused = shadow_->set_limits(MilliCpu{250}, Bytes{48u << 20});
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_EQ(number_in({"memory.limit_in_bytes", "memory.max"}, "s1"), 384u << 20) << "the limit stays";
  EXPECT_EQ(inside("len(kept) >> 20"), "200");
  EXPECT_FALSE(another("s2", 750, 2048 - 384 - 15).ok()) << "16 MiB to write are the least";
  const auto rest = another("s2", 750, 2048 - 384 - 16);
  EXPECT_TRUE(rest.ok()) << rest.status() << ": the budget stays as well";
}

TEST_F(ShadowBudget, CountsWhatShadowsWriteAsMemory) {
  ASSERT_NO_FATAL_FAILURE(start_shadow(Bytes{192u << 20}));
  const auto used = [this] { return number_in({"memory.usage_in_bytes", "memory.current"}, "s1"); };
  const std::uint64_t before = used();
  EXPECT_EQ(inside("[os.write(f, bytes(1 << 20)) for f in [os.open('/written', os.O_CREAT | os.O_WRONLY)] * 40] == "
                   "[1 << 20] * 40"),
            "True");
  EXPECT_GT(used(), before + (32u << 20));
}

// A full disk, not the end: what may be written is on top of what may be used, and bounded by itself.
TEST_F(ShadowBudget, RefusesFilesThatFillUpAndKillsNothing) {
  ASSERT_NO_FATAL_FAILURE(start_shadow(Bytes{128u << 20}));
  EXPECT_EQ(inside("hold(100)"), "100") << "of its 128 MiB";
  for (const char* path : {"/filling", "/tmp/filling"})
    EXPECT_THAT(inside(fmt::format("fill('{}')", path)), HasSubstr("ENOSPC")) << path;
  EXPECT_EQ(inside("sum(os.stat(f).st_size for f in ('/filling', '/tmp/filling')) >> 20 in range(60, 65)"), "True");
  EXPECT_EQ(inside("len(kept) >> 20, [os.unlink(f) for f in ('/filling', '/tmp/filling')]"), "(100, [None, None])");
  EXPECT_THAT(inside("fill('/filling')"), HasSubstr("ENOSPC")) << "and again, when it has been emptied";
  EXPECT_TRUE(shadow_->alive());
}

// As a database does with files that are larger than what may be written: they are copied when they are opened.
TEST_F(ShadowBudget, SaysWhatToDoWhereTheFilesThatItOpensDoNotFit) {
  files_.file("table", std::string(80u << 20, 'x'));
  const std::string server =
      files_.file("database.py", fmt::format("open('{}/table', 'r+b')\n", files_.path()) + kEvalServer);
  service_.reset();
  port_ = free_port();
  ASSERT_NO_FATAL_FAILURE(start_service({"/usr/bin/python3", server, "0.0.0.0", std::to_string(port_)}, "/"));
  ASSERT_NO_FATAL_FAILURE(begin_shadow(spec(MilliCpu{250}, Bytes{128u << 20})));
  const auto ready = shadow_->wait_ready({kReadyTimeout});
  ASSERT_FALSE(ready.ok());
  const std::string said(ready.status().message());
  EXPECT_THAT(said, HasSubstr("No space left on device"));
  EXPECT_THAT(said, HasSubstr("it may write 64Mi, in which a file that it opens for writing counts as a whole: raise "
                              "resource_allocation.memory"));
}

// What it may take to start is what is free; when it is ready it is held to its own.
TEST_F(ShadowBudget, LetsAShadowStartWithWhatIsFreeAndThenHoldsItToItsLimit) {
  const auto quota = [this] { return number_in({"cpu.cfs_quota_us", "cpu.max"}, "s1"); };
  auto shadow = another("s1", 250, 128);
  ASSERT_TRUE(shadow.ok()) << shadow.status();
  EXPECT_EQ(quota(), 100'000u) << "of the budget of one CPU";
  ASSERT_TRUE((*shadow)->wait_ready({kReadyTimeout}).ok());
  EXPECT_EQ(quota(), 25'000u);
}

TEST_F(ShadowBudget, StopsAForkBombBeforeTheNodeFeelsIt) {
  ASSERT_NO_FATAL_FAILURE(start_shadow(Bytes{512u << 20}));
  const std::uint64_t limit = number_in({"pids.max"}, "");
  EXPECT_GT(limit, 0u);
  EXPECT_LE(limit, 8192u);
  // Python's threads are cheap enough to reach a limit set low.
  for (const std::string& directory : agent_cgroups(kCgroupRoot, agent_name()))
    if (directory.ends_with("/" + agent_name()) && std::ifstream(directory + "/pids.max").good())
      std::ofstream(directory + "/pids.max") << 40;
  const std::string bomb = "[attempt(os.fork) or os._exit(0) for _ in range(200)].count('BlockingIOError 11') > 0";
  EXPECT_EQ(inside(bomb), "True");
  EXPECT_LE(number_in({"pids.current"}, ""), 40u);
}

}  // namespace
}  // namespace gnomon::shadow
