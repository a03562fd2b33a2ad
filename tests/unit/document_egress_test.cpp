// What a shadow may reach, as it is written and as it is understood.

#include "document/egress.h"

#include "common/status.h"
#include "document/parse.h"
#include "document/profile.h"
#include "document/service.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon::document {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

absl::StatusOr<EgressRule> rule_of(const std::string& to, const std::string& redirect = "",
                                   const std::string& mean = "", const std::string& stddev = "") {
  v1::ShadowPolicy policy;
  v1::EgressRule& rule = *policy.add_egress();
  rule.set_to(to);
  rule.set_redirect(redirect);
  rule.set_delay_mean(mean);
  rule.set_delay_stddev(stddev);
  auto rules = validate_egress(policy);
  if (!rules.ok()) return rules.status();
  return rules->front();
}

std::string error_of(const absl::StatusOr<EgressRule>& rule) {
  return rule.ok() ? "(no error)" : std::string(rule.status().message());
}

TEST(Egress, TakesOneAddressAndPortAPrefixAndIpv6) {
  const auto one = rule_of("10.0.3.7:5432");
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_EQ(one->network.to_string(), "10.0.3.7");
  EXPECT_EQ(one->prefix, 128);
  EXPECT_EQ(one->port, 5432);
  EXPECT_TRUE(one->single());

  const auto prefix = rule_of("10.0.0.0/8:*");
  ASSERT_TRUE(prefix.ok()) << prefix.status();
  EXPECT_EQ(prefix->prefix, 96 + 8);
  EXPECT_EQ(prefix->port, std::nullopt);
  EXPECT_FALSE(prefix->single());

  const auto v6 = rule_of("[fd00::/8]:53");
  ASSERT_TRUE(v6.ok()) << v6.status();
  EXPECT_EQ(v6->network.to_string(), "fd00::");
  EXPECT_EQ(v6->prefix, 8);
  EXPECT_FALSE(v6->network.v4());
}

TEST(Egress, TakesARedirectAndADelay) {
  const auto rule = rule_of("[fd00::1]:53", "127.0.0.1:15432", "20ms", "5ms");
  ASSERT_TRUE(rule.ok()) << rule.status();
  EXPECT_EQ(rule->redirect->to_string(), "127.0.0.1:15432");
  EXPECT_EQ(rule->delay_mean, std::chrono::milliseconds(20));
  EXPECT_EQ(rule->delay_stddev, std::chrono::milliseconds(5));
}

TEST(Egress, EveryErrorNamesFieldAndValueAndSaysWhatIsAllowed) {
  EXPECT_EQ(error_of(rule_of("")), "shadow.egress[0].to: is required: a destination, as \"10.0.3.7:5432\"");
  EXPECT_THAT(error_of(rule_of("10.0.3.7")), StartsWith("shadow.egress[0].to: \"10.0.3.7\": must end with a port"));
  EXPECT_THAT(error_of(rule_of("db.internal:5432")), HasSubstr("names are not looked up"));
  EXPECT_THAT(error_of(rule_of("fd00::1:53")), HasSubstr("\"[fd00::1]:53\""));
  EXPECT_THAT(error_of(rule_of("10.0.3.7:0")), HasSubstr("its port must be from 1 to 65535, or \"*\""));
  EXPECT_THAT(error_of(rule_of("10.0.3.7:65536")), HasSubstr("its port must be"));
  EXPECT_THAT(error_of(rule_of("10.0.0.0/33:1")), HasSubstr("from 0 to 32"));
  EXPECT_THAT(error_of(rule_of("10.1.0.0/8:1")), HasSubstr("has bits beyond its prefix: \"10.0.0.0/8\""));
  EXPECT_THAT(error_of(rule_of("10.0.3.7:1", "10.0.0.0/8:1")),
              StartsWith("shadow.egress[0].redirect: \"10.0.0.0/8:1\": must be one address and port"));
  EXPECT_THAT(error_of(rule_of("10.0.3.7:1", "", "1")), StartsWith("shadow.egress[0].delay_mean: \"1\""));
  EXPECT_THAT(error_of(rule_of("10.0.3.7:1", "", "61s")), HasSubstr("at most 60s"));
  EXPECT_THAT(error_of(rule_of("10.0.3.7:1", "", "", "5ms")), HasSubstr("at most 0.9 of delay_mean"));
}

TEST(Egress, RulesAreReadFromADescriptorAndErrorsGiveTheirLine) {
  const auto good = parse(
      "name: web\ndiscovery: {port: 8080}\nshadow:\n  egress:\n    - to: 10.0.3.7:5432\n      redirect: "
      "127.0.0.1:15432\n"
      "    - {to: \"10.0.0.0/8:*\"}\n",
      "a.yaml");
  ASSERT_TRUE(good.ok()) << good.status();
  const auto service = validate(good->services.front());
  ASSERT_TRUE(service.ok()) << service.status();
  EXPECT_EQ(service->egress.size(), 2u);

  const auto bad = parse("name: web\ndiscovery: {port: 8080}\nshadow:\n  egress:\n    - to: 10.0.3.7\n", "a.yaml");
  EXPECT_THAT(std::string(bad.status().message()), StartsWith("a.yaml:5: shadow.egress[0].to: \"10.0.3.7\""));
  const auto unknown = parse("name: web\ndiscovery: {port: 8080}\nshadow:\n  egress:\n    - at: 1\n", "a.yaml");
  EXPECT_THAT(std::string(unknown.status().message()), StartsWith("a.yaml:5: shadow.egress[0].at: unknown field"));
}

constexpr char kWeb[] =
    R"({"name": "web", "discovery": {"port": 8080}, "shadow": {"egress": [{"to": "10.0.3.7:5432"}]}})";

absl::Status noise_on(const std::string& dependencies) {
  const auto documents = parse(
      std::string(kWeb) +
          "\n---\n{\"service_descriptor\": \"web\", \"noise_parameters\": {\"dependencies\": " + dependencies + "}}",
      "a.yaml");
  RETURN_IF_ERROR(documents.status());
  ASSIGN_OR_RETURN(const Service service, validate(documents->services.front()));
  ASSIGN_OR_RETURN(const Profile profile, validate(documents->profiles.front()));
  EXPECT_EQ(profile.dependencies.size(), 1u);
  EXPECT_FALSE(profile.noise.any()) << "it is not the shadow's own";
  return check_dependencies(profile, service);
}

TEST(Egress, NoiseIsPutOnThePathThatARuleOpens) {
  const absl::Status good = noise_on(
      R"([{"to": "10.0.3.7:5432", "noise_parameters": {"response_delay_mean": "20ms", "packet_loss": "1%"}}])");
  EXPECT_TRUE(good.ok()) << good;
  const auto error = [](const std::string& dependencies) { return std::string(noise_on(dependencies).message()); };
  EXPECT_THAT(
      error(R"([{"to": "10.0.3.8:5432", "noise_parameters": {"error_rate": "1%"}}])"),
      HasSubstr("noise_parameters.dependencies[0].to: \"10.0.3.8:5432\": no rule of shadow.egress of service web"));
  EXPECT_THAT(error(R"([{"to": "10.0.3.7:5432", "noise_parameters": {"error_rate": "2"}}])"),
              HasSubstr("noise_parameters.dependencies[0].noise_parameters.error_rate: \"2\""));
  EXPECT_THAT(error(R"([{"to": "10.0.3.7:5432", "noise_parameters": {"packet_reordering": "1%"}}])"),
              HasSubstr("only the shadow's own responses can be reordered"));
  EXPECT_THAT(error(R"([{"to": "10.0.3.7:5432"}])"), HasSubstr("asks for no noise"));
  EXPECT_THAT(error(R"([{"noise_parameters": {"error_rate": "1%"}}])"), HasSubstr("each once"));
}

TEST(Egress, TooManyRulesAreRefused) {
  v1::ShadowPolicy policy;
  for (int i = 0; i <= kMostEgressRules; ++i) policy.add_egress()->set_to("10.0.3.7:1");
  EXPECT_THAT(std::string(validate_egress(policy).status().message()), HasSubstr("at most 64"));
}

}  // namespace
}  // namespace gnomon::document
