// What users ask of sessions, and what is refused.

#include "tests/unit/sessions_fixture.h"

namespace gnomon::session {
namespace {

using std::chrono::minutes;
using ::testing::HasSubstr;

TEST_F(SessionsTest, StoppingTwiceKeepsTheFirstEnd) {
  const std::string id = placed_session();
  const v1::Session stopped = *sessions->stop(id);
  EXPECT_EQ(stopped.status().state(), v1::SESSION_STATE_CANCELLED);
  clock.elapsed += minutes(1);
  EXPECT_EQ(sessions->stop(id)->ended_unix_ms(), stopped.ended_unix_ms());
  EXPECT_EQ(sessions->stop("s-nope").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SessionsTest, AdjustingARunningSessionReachesItsNodeAtOnce) {
  const std::string id = placed_session();
  v1::AdjustSessionRequest request;
  request.set_id(id);
  request.set_sampled_fraction("20%");
  ASSERT_TRUE(sessions->adjust(request).ok());
  EXPECT_EQ(agent.states.back().sessions(0).service().shadow().sampled_fraction(), "20%");
  EXPECT_EQ(get(id).spec().service().shadow().sampled_fraction(), "20%");
  request.set_sampled_fraction("0");
  EXPECT_THAT(std::string(sessions->adjust(request).status().message()), HasSubstr("sampled_fraction"));
  EXPECT_EQ(get(id).spec().service().shadow().sampled_fraction(), "20%");
  ASSERT_TRUE(sessions->stop(id).ok());
  EXPECT_EQ(sessions->adjust(request).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(SessionsTest, AdjustingResourcesReachesItsNodeAndLeavesTheOthersAsTheyAre) {
  const std::string id = placed_session();
  const std::string memory = get(id).spec().profile().resource_allocation().memory();
  v1::AdjustSessionRequest request;
  request.set_id(id);
  request.mutable_resource_allocation()->set_cpu("0.5x production");
  ASSERT_TRUE(sessions->adjust(request).ok());
  const v1::ResourceAllocation& asked = agent.states.back().sessions(0).profile().resource_allocation();
  EXPECT_EQ(asked.cpu(), "0.5x production");
  EXPECT_EQ(asked.memory(), memory);
  request.mutable_resource_allocation()->set_cpu("much");
  EXPECT_THAT(std::string(sessions->adjust(request).status().message()), HasSubstr("resource_allocation.cpu"));
  EXPECT_EQ(get(id).spec().profile().resource_allocation().cpu(), "0.5x production");
}

TEST_F(SessionsTest, AdjustingTheNoiseReachesItsNodeAndReplacesItAsAWhole) {
  const std::string id = placed_session();
  v1::AdjustSessionRequest request;
  request.set_id(id);
  EXPECT_EQ(sessions->adjust(request).status().code(), absl::StatusCode::kInvalidArgument);
  request.mutable_noise_parameters()->set_packet_loss("2%");
  ASSERT_TRUE(sessions->adjust(request).ok());
  EXPECT_EQ(agent.states.back().sessions(0).profile().noise_parameters().packet_loss(), "2%");
  request.mutable_noise_parameters()->set_packet_loss("");
  request.mutable_noise_parameters()->set_error_rate("2");
  EXPECT_THAT(std::string(sessions->adjust(request).status().message()), HasSubstr("noise_parameters.error_rate"));
  EXPECT_EQ(get(id).spec().profile().noise_parameters().packet_loss(), "2%");
  request.mutable_noise_parameters()->set_error_rate("");
  ASSERT_TRUE(sessions->adjust(request).ok());
  EXPECT_EQ(get(id).spec().profile().noise_parameters().packet_loss(), "");
}

TEST_F(SessionsTest, WhatCannotBeAppliedNamesItsFieldAndLeavesNothing) {
  const auto message = [&](const v1::ApplyRequest& bad) {
    const auto applied = sessions->apply(bad);
    EXPECT_FALSE(applied.ok());
    return std::string(applied.status().message());
  };
  EXPECT_THAT(message(request("web", 14'000)), HasSubstr("session_duration_ms"));
  v1::ApplyRequest fraction = request();
  fraction.set_sampled_fraction("-5%");
  EXPECT_THAT(message(fraction), HasSubstr("sampled_fraction"));
  v1::ApplyRequest unknown = request();
  unknown.mutable_profiles(0)->set_service_descriptor("other");
  EXPECT_THAT(message(unknown), HasSubstr("profiles[0].service_descriptor"));
  v1::ApplyRequest noise = request();
  noise.mutable_profiles(0)->mutable_noise_parameters()->set_error_rate("2");
  EXPECT_THAT(message(noise), HasSubstr("error_rate"));
  v1::ApplyRequest port = request();
  port.mutable_services(0)->mutable_discovery()->set_port(70'000);
  EXPECT_THAT(message(port), HasSubstr("services[0]"));
  EXPECT_THAT(message({}), HasSubstr("nothing to apply"));
  EXPECT_EQ(sessions->list_services()->services_size(), 0);
  EXPECT_EQ(sessions->list_profiles()->profiles_size(), 0);
  EXPECT_EQ(sessions->list_sessions()->sessions_size(), 0);
}

TEST_F(SessionsTest, ASampledFractionOfTheRequestOverridesTheDescriptors) {
  v1::ApplyRequest with_fraction = request();
  with_fraction.set_sampled_fraction("20%");
  const std::string id = sessions->apply(with_fraction)->sessions(0);
  EXPECT_EQ(get(id).spec().service().shadow().sampled_fraction(), "20%");
  EXPECT_EQ(sessions->list_services()->services(0).descriptor_document().shadow().sampled_fraction(), "");
}

}  // namespace
}  // namespace gnomon::session
