#include "cli/render/lists.h"
#include "cli/render/noise.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::SessionStatus checked(bool off) {
  v1::SessionStatus status;
  v1::NoiseCheck& delay = *status.add_noise_checks();
  delay.set_kind("response_delay_mean");
  delay.set_engine("replay path");
  delay.set_asked(50e6);
  delay.set_measured(50.2e6);
  delay.set_low(47.5e6);
  delay.set_high(52.5e6);
  delay.set_samples(4000);
  v1::NoiseCheck& loss = *status.add_noise_checks();
  loss.set_kind("packet_loss");
  loss.set_engine("tc");
  loss.set_asked(0.01);
  loss.set_measured(0.05);
  loss.set_high(0.015);
  loss.set_samples(10000);
  loss.set_off(off);
  v1::NoiseCheck& refusal = *status.add_noise_checks();
  refusal.set_kind("connection_refusal");
  refusal.set_high(1);
  return status;
}

TEST(NoiseChecks, ShowAskedAndMeasuredInTheirUnits) {
  const std::string text = noise_checks_text(checked(false));
  EXPECT_THAT(text, HasSubstr("50 ms"));
  EXPECT_THAT(text, HasSubstr("50.2 ms"));
  EXPECT_THAT(text, HasSubstr("47.5 ms to 52.5 ms"));
  EXPECT_THAT(text, HasSubstr("0% to 1.5%"));
  EXPECT_THAT(text, HasSubstr("nothing to measure"));
  EXPECT_THAT(text, Not(HasSubstr("noise is off")));
}

TEST(NoiseChecks, SayClearlyThatNoiseIsOff) {
  EXPECT_THAT(noise_checks_text(checked(true)),
              HasSubstr("noise is off: packet loss differs from what the profile asks for"));
}

TEST(NoiseSummary, NamesEveryKind) {
  v1::NoiseParameters noise;
  EXPECT_EQ(noise_summary(noise), "none");
  noise.set_response_delay_mean("50ms");
  noise.set_response_delay_distribution("pareto");
  noise.set_packet_loss("1%");
  noise.set_rate_limit("10Mbit");
  EXPECT_EQ(noise_summary(noise), "delay 50ms pareto, packets lost 1%, responses limited to 10Mbit");
}

}  // namespace
}  // namespace gnomon::cli
