#include "cli/render/cost.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon::cli {
namespace {

using testing::HasSubstr;

v1::SessionStatus with_cost() {
  v1::SessionStatus status;
  v1::ProductionCost& cost = *status.mutable_production_cost();
  cost.set_pauses(24);
  cost.set_p99_ratio(1.074);
  cost.set_p99_ratio_low(1.051);
  cost.set_p99_ratio_high(1.198);
  cost.set_p99_on_ns(1'310'000);
  cost.set_p99_off_ns(1'220'000);
  cost.set_bound(0.02);
  return status;
}

TEST(Cost, IsSaidWithItsIntervalFiguresAndBound) {
  EXPECT_EQ(production_cost(with_cost()),
            "production's p99 +7.4% (95% interval +5.1% to +20%): 1.31 ms, and 1.22 ms in 24 pauses; bound 2%");
}

TEST(Cost, SaysWhatIsNotKnownYet) {
  EXPECT_EQ(production_cost({}), "");
  v1::SessionStatus status = with_cost();
  status.mutable_production_cost()->set_p99_ratio_low(0);
  status.mutable_production_cost()->set_bound(0);
  EXPECT_THAT(production_cost(status), HasSubstr("+7.4% (too few pauses for an interval)"));
  EXPECT_THAT(production_cost(status), HasSubstr("without a bound: only told"));
  status.mutable_production_cost()->set_pauses(0);
  status.mutable_production_cost()->set_left_out(3);
  EXPECT_THAT(production_cost(status), HasSubstr("too few requests to tell a p99 in 3 pauses"));
}

TEST(Cost, TellsThrottlingAndLossWhereThereIsSome) {
  v1::SessionStatus status = with_cost();
  EXPECT_EQ(production_throttling(status), "");
  v1::ProductionCost& cost = *status.mutable_production_cost();
  cost.set_throttled_on(0.05);
  cost.set_throttles_on(2.5);
  cost.set_lost_on(0.001);
  EXPECT_EQ(production_throttling(status),
            "production throttled 5% of the time (2.5 times a second), 0% (0) in pauses; 0.1% of captured bytes lost, "
            "0% in pauses");
}

}  // namespace
}  // namespace gnomon::cli
