#include "document/profile.h"
#include "document/service.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon::document {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

template <class Message>
std::string error_of(const Message& message) {
  const auto result = validate(message);
  return result.ok() ? "(no error)" : std::string(result.status().message());
}

v1::ShadowInstanceProfile profile_of(const std::string& scenario = "") {
  v1::ShadowInstanceProfile message;
  message.set_service_descriptor("web");
  if (!scenario.empty()) message.add_testing_scenarios(scenario);
  return message;
}

TEST(ValidateProfile, TypesEveryQuantity) {
  v1::ShadowInstanceProfile message = profile_of("simulated_peak_load_2.5x");
  message.mutable_resource_allocation()->set_cpu("2x production");
  message.mutable_resource_allocation()->set_memory("256Mi");
  message.mutable_noise_parameters()->set_response_delay_mean("50ms");
  message.mutable_noise_parameters()->set_response_delay_stddev("10ms");
  message.mutable_noise_parameters()->set_error_rate("1%");
  const auto profile = validate(message);
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ(std::get<RelativeToProduction>(profile->cpu).factor, 2);
  EXPECT_EQ(std::get<Bytes>(profile->memory).value, 256u << 20);
  EXPECT_EQ(profile->noise.response_delay_mean, std::chrono::milliseconds(50));
  EXPECT_EQ(profile->noise.response_delay_stddev, std::chrono::milliseconds(10));
  EXPECT_DOUBLE_EQ(profile->noise.error_rate.value, 0.01);
  EXPECT_EQ(profile->load_multiple, 2.5);
}

TEST(ValidateProfile, LeftOutMeansNoNoiseAndTodaysLoad) {
  const auto profile = validate(profile_of());
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_FALSE(profile->noise.any());
  EXPECT_FALSE(profile->io_weight);
  EXPECT_EQ(profile->load_multiple, 1);
}

TEST(ValidateProfile, AcceptsTheScenariosWithoutALoadOfTheirOwn) {
  v1::ShadowInstanceProfile message = profile_of("high_volume_small_transactions");
  message.add_testing_scenarios("database_connection_stress");
  const auto profile = validate(message);
  ASSERT_TRUE(profile.ok()) << profile.status();
  EXPECT_EQ(profile->load_multiple, 1);
  EXPECT_THAT(profile->inert_scenarios,
              testing::ElementsAre("high_volume_small_transactions", "database_connection_stress"));
}

TEST(ValidateProfile, RefusesLoadsOutOfRange) {
  for (const char* bad : {"0", "1001", "-1", "", "1e2", "inf", "2..", "ten"})
    EXPECT_THAT(error_of(profile_of("simulated_peak_load_" + std::string(bad) + "x")),
                HasSubstr("N above 0 and at most 1000"))
        << bad;
  EXPECT_THAT(error_of(profile_of("chaos")), HasSubstr("testing_scenarios[0]: \"chaos\": is not a scenario; allowed:"));
}

TEST(ValidateProfile, RefusesTwoPeakLoadsAndRepeats) {
  v1::ShadowInstanceProfile message = profile_of("simulated_peak_load_2x");
  message.add_testing_scenarios("simulated_peak_load_3x");
  EXPECT_THAT(error_of(message), StartsWith("testing_scenarios[1]: \"simulated_peak_load_3x\": is a second peak load"));
  message.set_testing_scenarios(1, "simulated_peak_load_2x");
  EXPECT_THAT(error_of(message), HasSubstr("is there twice"));
}

TEST(ValidateProfile, RefusesResourcesOutOfRange) {
  for (const char* bad : {"0x production", "101x production", "x production", "-1x production", "2 x production"}) {
    v1::ShadowInstanceProfile message = profile_of();
    message.mutable_resource_allocation()->set_cpu(bad);
    EXPECT_THAT(error_of(message), StartsWith("resource_allocation.cpu: \"" + std::string(bad))) << bad;
    message.mutable_resource_allocation()->set_cpu("1");
    message.mutable_resource_allocation()->set_memory(bad);
    EXPECT_THAT(error_of(message), StartsWith("resource_allocation.memory: \"" + std::string(bad))) << bad;
  }
  v1::ShadowInstanceProfile message = profile_of();
  message.mutable_resource_allocation()->set_cpu("two");
  EXPECT_THAT(error_of(message), HasSubstr("or relative, as \"2x production\""));
  for (const char* bad : {"0", "0.5", "1001", "-1", "much"}) {
    v1::ShadowInstanceProfile weighted = profile_of();
    weighted.mutable_resource_allocation()->set_io_weight(bad);
    EXPECT_THAT(error_of(weighted), StartsWith("resource_allocation.io_weight: \"" + std::string(bad))) << bad;
  }
  v1::ShadowInstanceProfile weighted = profile_of();
  weighted.mutable_resource_allocation()->set_io_weight("50");
  EXPECT_EQ(validate(weighted)->io_weight, 50u);
  EXPECT_NE(profile_id(weighted), profile_id(profile_of()));
}

TEST(ValidateProfile, ReadsEveryKindOfNoise) {
  v1::ShadowInstanceProfile message = profile_of();
  v1::NoiseParameters& wire = *message.mutable_noise_parameters();
  wire.set_response_delay_mean("50ms");
  wire.set_response_delay_stddev("50ms");
  wire.set_response_delay_distribution("pareto");
  wire.set_packet_loss("1%");
  wire.set_packet_duplication("2%");
  wire.set_packet_reordering("3%");
  wire.set_rate_limit("1.5Mbit");
  wire.set_connection_refusal("4%");
  wire.set_connection_reset("5%");
  const auto profile = validate(message);
  ASSERT_TRUE(profile.ok()) << profile.status();
  const Noise& noise = profile->noise;
  EXPECT_EQ(noise.response_delay_distribution, DelayShape::kPareto);
  EXPECT_DOUBLE_EQ(noise.packet_loss.value, 0.01);
  EXPECT_DOUBLE_EQ(noise.packet_duplication.value, 0.02);
  EXPECT_DOUBLE_EQ(noise.packet_reordering.value, 0.03);
  EXPECT_EQ(noise.rate_limit, 1500000u);
  EXPECT_DOUBLE_EQ(noise.connection_refusal.value, 0.04);
  EXPECT_DOUBLE_EQ(noise.connection_reset.value, 0.05);
}

TEST(ValidateProfile, RefusesNoiseThatCannotBeHad) {
  const auto error = [](auto set) {
    v1::ShadowInstanceProfile message = profile_of();
    set(*message.mutable_noise_parameters());
    return error_of(message);
  };
  EXPECT_EQ(error([](auto& noise) { noise.set_response_delay_distribution("gamma"); }),
            "noise_parameters.response_delay_distribution: \"gamma\": must be normal, pareto or uniform");
  EXPECT_EQ(
      error([](auto& noise) {
        noise.set_response_delay_mean("10ms");
        noise.set_response_delay_stddev("9.5ms");
      }),
      "noise_parameters.response_delay_stddev: \"9.5ms\": a normal delay can deviate by at most 0.9 times its mean");
  EXPECT_EQ(error([](auto& noise) {
              noise.set_response_delay_mean("10ms");
              noise.set_response_delay_stddev("6ms");
              noise.set_response_delay_distribution("uniform");
            }),
            "noise_parameters.response_delay_stddev: \"6ms\": a uniform delay can deviate by at most 0.577 times its "
            "mean");
  EXPECT_EQ(error([](auto& noise) { noise.set_packet_loss("101%"); }),
            "noise_parameters.packet_loss: \"101%\": must be a share from 0 to 1, as \"0.05\" or \"5%\"");
  for (const char* rate : {"10", "10MB", "Mbit", "1kbit", "50Gbit", "-1Mbit", "1e3Mbit"})
    EXPECT_EQ(error([rate](auto& noise) { noise.set_rate_limit(rate); }),
              "noise_parameters.rate_limit: \"" + std::string(rate) +
                  "\": must be a number of bits a second, as 10Mbit (bit, kbit, Mbit, Gbit), 8kbit to 40Gbit");
}

TEST(ValidateProfile, RefusesDelaysBeyondAMinute) {
  v1::ShadowInstanceProfile message = profile_of();
  message.mutable_noise_parameters()->set_response_delay_mean("61s");
  EXPECT_EQ(error_of(message), "noise_parameters.response_delay_mean: \"61s\": must be at most 60s");
}

TEST(ValidateProfile, RefusesNamesThatCouldNotBeIds) {
  v1::ShadowInstanceProfile message;
  EXPECT_THAT(error_of(message), StartsWith("service_descriptor: is required"));
  for (const char* bad : {"../x", "a b", "-a", "a/b"}) {
    message.set_service_descriptor(bad);
    EXPECT_THAT(error_of(message), StartsWith("service_descriptor: \"" + std::string(bad))) << bad;
  }
}

TEST(ProfileId, FollowsTheContentAndNothingElse) {
  const v1::ShadowInstanceProfile a = profile_of("simulated_peak_load_2x"), b = profile_of("simulated_peak_load_3x");
  EXPECT_EQ(profile_id(a), profile_id(profile_of("simulated_peak_load_2x")));
  EXPECT_NE(profile_id(a), profile_id(b));
  EXPECT_THAT(profile_id(a), testing::MatchesRegex("web-[0-9a-f]{8}"));
  v1::ShadowInstanceProfile cpu = profile_of(), memory = profile_of();
  cpu.mutable_resource_allocation()->set_cpu("1");
  memory.mutable_resource_allocation()->set_memory("1");
  EXPECT_NE(profile_id(cpu), profile_id(memory));
}

v1::ServiceDescriptor service_of() {
  v1::ServiceDescriptor message;
  message.set_name("web");
  message.mutable_discovery()->set_port(8080);
  return message;
}

TEST(ValidateService, TypesEveryFieldAndKnowsTheDefaults) {
  v1::ServiceDescriptor message = service_of();
  EXPECT_DOUBLE_EQ(validate(message)->sampled_fraction.value, 0.05);
  EXPECT_FALSE(validate(message)->pid.has_value());
  message.mutable_discovery()->set_pid(42);
  message.mutable_slo()->set_latency_p99("250ms");
  message.mutable_slo()->set_error_rate("0.1%");
  message.mutable_shadow()->set_sampled_fraction("100%");
  message.set_protocol("redis");
  const auto service = validate(message);
  ASSERT_TRUE(service.ok()) << service.status();
  EXPECT_EQ(service->name, "web");
  EXPECT_EQ(service->port, 8080);
  EXPECT_EQ(service->pid, 42);
  EXPECT_EQ(service->slo_latency_p99, std::chrono::milliseconds(250));
  EXPECT_DOUBLE_EQ(service->slo_error_rate->value, 0.001);
  EXPECT_DOUBLE_EQ(service->sampled_fraction.value, 1);
  EXPECT_EQ(service->protocol, "redis");
  message.set_protocol("auto");
  EXPECT_EQ(validate(message)->protocol, "");
}

TEST(ValidateService, RefusesWhatCannotBe) {
  v1::ServiceDescriptor message = service_of();
  message.mutable_discovery()->set_port(70000);
  EXPECT_EQ(error_of(message), "discovery.port: \"70000\": must be from 1 to 65535");
  message = service_of();
  message.mutable_discovery()->set_pid(1u << 30);
  EXPECT_THAT(error_of(message), StartsWith("discovery.pid: \"1073741824\""));
  message = service_of();
  message.mutable_slo()->set_latency_p99("0");
  EXPECT_THAT(error_of(message), StartsWith("slo.latency_p99: \"0\": must be above zero"));
  message = service_of();
  message.mutable_shadow()->set_sampled_fraction("0%");
  EXPECT_THAT(error_of(message), StartsWith("shadow.sampled_fraction: \"0%\": must be above zero"));
  message = service_of();
  message.set_protocol("gopher");
  EXPECT_THAT(error_of(message), StartsWith("protocol: \"gopher\": must be auto or one of http1, http2, "));
}

TEST(ValidateService, SamplesConnectionsUnlessSomethingElseIsNamed) {
  v1::ServiceDescriptor message;
  message.set_name("web");
  message.mutable_discovery()->set_port(80);
  EXPECT_EQ(validate(message)->sample_by, "connection");
  for (const char* good : {"request", "user", "key", "header:X-Tenant"}) {
    message.mutable_shadow()->set_sample_by(good);
    EXPECT_EQ(validate(message)->sample_by, good);
  }
  for (const char* bad : {"header:", "cookie", "Request"}) {
    message.mutable_shadow()->set_sample_by(bad);
    EXPECT_THAT(error_of(message), HasSubstr("shadow.sample_by")) << bad;
  }
}

TEST(ValidateService, ABundleIsNamedByItsAbsolutePath) {
  v1::ServiceDescriptor message;
  message.set_name("web");
  message.mutable_discovery()->set_port(80);
  EXPECT_EQ(validate(message)->bundle, "");
  message.mutable_shadow()->set_bundle("/srv/web/next");
  EXPECT_EQ(validate(message)->bundle, "/srv/web/next");
  message.mutable_shadow()->set_bundle("next");
  EXPECT_THAT(error_of(message), StartsWith("shadow.bundle: \"next\": must be the absolute path"));
}

TEST(ValidateService, AnImageIsNamedByItsAbsolutePathAndATag) {
  v1::ServiceDescriptor message;
  message.set_name("web");
  message.mutable_discovery()->set_port(80);
  EXPECT_FALSE(validate(message)->image.has_value());
  message.mutable_shadow()->set_image("/srv/images/web:1.2-rc_3");
  EXPECT_EQ(validate(message)->image->directory, "/srv/images/web");
  EXPECT_EQ(validate(message)->image->tag, "1.2-rc_3");
  message.mutable_shadow()->set_image("/srv/registry:5000/web");
  EXPECT_EQ(validate(message)->image->directory, "/srv/registry:5000/web");
  EXPECT_EQ(validate(message)->image->tag, "");
  for (const char* bad : {"nginx:1.2", "docker://nginx", "images/web"}) {
    message.mutable_shadow()->set_image(bad);
    EXPECT_THAT(error_of(message),
                AllOf(StartsWith("shadow.image: \"" + std::string(bad)), HasSubstr("must be the absolute path")));
  }
  for (const std::string& bad : {std::string("/srv/web:"), std::string("/srv/web:-a"), std::string("/srv/web:a b"),
                                 std::string("/srv/web:1:2"), "/srv/web:" + std::string(129, 'a')}) {
    message.mutable_shadow()->set_image(bad);
    EXPECT_THAT(error_of(message), AllOf(StartsWith("shadow.image: "), HasSubstr("the tag")));
  }
}

TEST(ValidateService, AnImageAndABundleExcludeEachOther) {
  v1::ServiceDescriptor message;
  message.set_name("web");
  message.mutable_discovery()->set_port(80);
  message.mutable_shadow()->set_image("/srv/images/web:1.2");
  message.mutable_shadow()->set_bundle("/srv/web/next");
  EXPECT_THAT(error_of(message),
              AllOf(StartsWith("shadow.image: \"/srv/images/web:1.2\""), HasSubstr("shadow.bundle is given as well"),
                    HasSubstr("leave one of them out")));
}

TEST(ValidateService, TheLargestRequestIsBounded) {
  v1::ServiceDescriptor message;
  message.set_name("web");
  message.mutable_discovery()->set_port(80);
  EXPECT_EQ(validate(message)->max_request.value, 8u << 20);
  message.mutable_shadow()->set_max_request_bytes("128Ki");
  EXPECT_EQ(validate(message)->max_request.value, 128u << 10);
  for (const char* bad : {"63Ki", "33Mi", "large"}) {
    message.mutable_shadow()->set_max_request_bytes(bad);
    EXPECT_THAT(error_of(message), StartsWith("shadow.max_request_bytes: \"" + std::string(bad) + "\"")) << bad;
  }
}

TEST(ValidateService, ResponsesAreComparedOnDemand) {
  using Level = Comparison::Level;
  v1::ServiceDescriptor message;
  message.set_name("web");
  message.mutable_discovery()->set_port(80);
  EXPECT_EQ(validate(message)->comparison.level, Level::kOff);
  message.mutable_shadow()->set_compare_responses("status");
  EXPECT_EQ(validate(message)->comparison.level, Level::kStatus);
  message.mutable_shadow()->set_compare_bytes("8Ki");
  EXPECT_THAT(error_of(message), StartsWith("shadow.compare_bytes: \"8Ki\": needs shadow.compare_responses: body"));
  message.mutable_shadow()->set_compare_responses("body");
  EXPECT_EQ(validate(message)->comparison.level, Level::kBody);
  EXPECT_EQ(validate(message)->comparison.bytes.value, 8192u);
  for (const char* bad : {"255", "65Ki", "much"}) {
    message.mutable_shadow()->set_compare_bytes(bad);
    EXPECT_THAT(error_of(message), StartsWith("shadow.compare_bytes: \"" + std::string(bad) + "\"")) << bad;
  }
  message.mutable_shadow()->clear_compare_bytes();
  EXPECT_EQ(validate(message)->comparison.bytes.value, 4096u);
  message.mutable_shadow()->set_compare_responses("yes");
  EXPECT_THAT(error_of(message), StartsWith("shadow.compare_responses: \"yes\": must be one of off, status, body"));
}

}  // namespace
}  // namespace gnomon::document
