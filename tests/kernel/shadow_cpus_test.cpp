// Where there are processors enough, shadows are kept to some of them, and production has the others to itself.

#include <sched.h>

#include <vector>

#include "agent/discovery/procfs.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "gtest/gtest.h"
#include "tests/integration/shadow_fixture.h"

namespace gnomon::shadow {
namespace {

class ShadowCpus : public EvalShadow {};

std::vector<int> usable() {
  std::vector<int> cpus;
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  return cpus;
}

TEST_F(ShadowCpus, AreNotThoseThatProductionHasToItself) {
  const std::vector<int> all = usable();
  if (all.size() < 4) GTEST_SKIP() << "needs four processors, as the virtual machines of these tests have";
  ASSERT_NO_FATAL_FAILURE(start_shadow());  // of a budget of one CPU
  const std::string may = "sorted(os.sched_getaffinity(0))";
  EXPECT_EQ(inside(may), fmt::format("[{}]", all.back()));
  EXPECT_EQ(evaluate(-1, "127.0.0.1", port_, may), fmt::format("{}", all)) << "production keeps all of them";
  // And it runs there: the processor that each of its processes was on last, under work.
  EXPECT_EQ(inside("sum(i * i for i in range(300000)) > 0, "
                   "{int(open('/proc/%s/stat' % p).read().rsplit(')', 1)[1].split()[36]) "
                   "for p in os.listdir('/proc') if p.isdigit()}"),
            fmt::format("(True, {{{}}})", all.back()));
  EXPECT_EQ(inside("attempt(os.sched_setaffinity, 0, {0})"), "OSError 22") << "nor can it leave it";
}

}  // namespace
}  // namespace gnomon::shadow
