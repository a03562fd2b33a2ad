#include "coordinator/session/noise_verdict.h"

#include <string>
#include <vector>

#include "coordinator/session/adjust.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon::session {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Control and treatment, treatment and control, …
v1::SessionSpec spec_of(int pairs) {
  v1::SessionSpec spec;
  spec.mutable_profile()->set_service_descriptor("web");
  for (int i = 0; i < 2 * pairs; ++i) {
    v1::Block& block = *spec.add_blocks();
    block.set_index(i);
    block.set_pair(i / 2);
    const bool treatment = (i % 2 == 1) != (i / 2 % 2 == 1);
    block.set_kind(treatment ? v1::BLOCK_KIND_TREATMENT : v1::BLOCK_KIND_CONTROL);
  }
  return spec;
}

std::vector<int> pairs_of(const v1::SessionSpec& spec) {
  std::vector<int> pairs;
  for (const v1::Block& block : spec.blocks()) pairs.push_back(block.pair());
  return pairs;
}

v1::NoiseParameters loss() {
  v1::NoiseParameters noise;
  noise.set_packet_loss("1%");
  return noise;
}

TEST(NoiseVerdict, NoiseChangedBeforeAnyBlockCountsForAllPairs) {
  v1::SessionSpec spec = spec_of(3);
  v1::SessionStatus status;
  status.set_current_block(-1);
  ASSERT_TRUE(change_noise(loss(), status, spec).ok());
  EXPECT_EQ(spec.profile().noise_parameters().packet_loss(), "1%");
  EXPECT_THAT(pairs_of(spec), ElementsAre(0, 0, 1, 1, 2, 2));
}

TEST(NoiseVerdict, PairsWhoseTreatmentMayHaveHadTheFormerNoiseAreComparedNoMore) {
  v1::SessionSpec spec = spec_of(3);
  v1::SessionStatus status;
  status.set_current_block(0);  // control: the treatment after it may begin before the node hears of the change
  ASSERT_TRUE(change_noise(loss(), status, spec).ok());
  EXPECT_THAT(pairs_of(spec), ElementsAre(-1, -1, 1, 1, 2, 2));
  status.set_current_block(-1);  // between blocks
  for (const int block : {0, 1, 2}) status.add_completed_blocks(block);
  spec = spec_of(3);
  ASSERT_TRUE(change_noise(loss(), status, spec).ok());
  EXPECT_THAT(pairs_of(spec), ElementsAre(-1, -1, -1, -1, 2, 2));
}

TEST(NoiseVerdict, AWrongChangeNamesItsField) {
  v1::SessionSpec spec = spec_of(3);
  v1::NoiseParameters noise;
  noise.set_rate_limit("fast");
  EXPECT_THAT(std::string(change_noise(noise, {}, spec).message()),
              StartsWith("noise_parameters.rate_limit: \"fast\""));
}

TEST(NoiseVerdict, WhatLossAndQueuesAddIsNotPredictedAndConnectionsAddErrorsAtMost) {
  document::Profile profile{
      .noise = {.response_delay_mean = std::chrono::milliseconds(5), .error_rate = Fraction{0.01}}};
  document::Noise& noise = profile.noise;
  noise.connection_refusal = Fraction{0.02};
  noise.connection_reset = Fraction{0.03};
  const judge::Expectation plain = expected_of(profile);
  EXPECT_FALSE(plain.unpredicted);
  EXPECT_DOUBLE_EQ(plain.error_rate, 0.01);
  EXPECT_DOUBLE_EQ(plain.more_errors, 0.05);
  noise.rate_limit = 1000000;
  EXPECT_TRUE(expected_of(profile).unpredicted);
  EXPECT_FALSE(expected_of(profile).unpredicted_service);
  noise.packet_loss = Fraction{0.01};
  EXPECT_TRUE(expected_of(profile).unpredicted_service);
}

TEST(NoiseVerdict, WhatNoiseOnDependenciesAddsIsNotPredicted) {
  const document::Profile profile{.dependencies = {{"10.0.3.7:5432", {.error_rate = Fraction{0.01}}}}};
  EXPECT_TRUE(expected_of(profile).unpredicted);
  EXPECT_TRUE(expected_of(profile).unpredicted_service);
  EXPECT_EQ(expected_of(profile).error_rate, 0);
}

TEST(NoiseVerdict, NoiseOfADependencyNeedsARuleThatLeadsThere) {
  v1::SessionSpec spec = spec_of(3);
  spec.mutable_profile()->set_service_descriptor("web");
  spec.mutable_service()->set_name("web");
  spec.mutable_service()->mutable_discovery()->set_port(8080);
  spec.mutable_service()->mutable_shadow()->add_egress()->set_to("10.0.3.7:5432");
  v1::NoiseParameters noise;
  v1::DependencyNoise& dependency = *noise.add_dependencies();
  dependency.set_to("10.0.3.8:5432");
  dependency.mutable_noise_parameters()->set_error_rate("1%");
  EXPECT_THAT(std::string(change_noise(noise, {}, spec).message()),
              StartsWith("noise_parameters.dependencies[0].to: \"10.0.3.8:5432\": no rule of shadow.egress"));
  dependency.set_to("10.0.3.7:5432");
  const absl::Status changed = change_noise(noise, {}, spec);
  EXPECT_TRUE(changed.ok()) << changed;
}

TEST(NoiseVerdict, NothingIsAsExpectedWhileNoiseIsOff) {
  v1::SessionStatus status;
  status.add_noise_checks()->set_kind("error_rate");
  v1::Verdict verdict;
  verdict.set_outcome(v1::OUTCOME_AS_EXPECTED);
  verdict.set_summary("All is well.");
  take_checks_into_account(status, verdict);
  EXPECT_EQ(verdict.outcome(), v1::OUTCOME_AS_EXPECTED);
  EXPECT_EQ(verdict.summary(), "All is well.");
  status.mutable_noise_checks(0)->set_off(true);
  take_checks_into_account(status, verdict);
  EXPECT_EQ(verdict.outcome(), v1::OUTCOME_INCONCLUSIVE);
  EXPECT_THAT(verdict.summary(), StartsWith("Noise is off: error_rate was not injected"));
  v1::Verdict anomaly;
  anomaly.set_outcome(v1::OUTCOME_ANOMALY);
  take_checks_into_account(status, anomaly);
  EXPECT_EQ(anomaly.outcome(), v1::OUTCOME_ANOMALY);
  EXPECT_THAT(anomaly.summary(), HasSubstr("Noise is off"));
}

}  // namespace
}  // namespace gnomon::session
