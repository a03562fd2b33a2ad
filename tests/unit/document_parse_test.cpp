#include "document/parse.h"

#include <filesystem>

#include "document/profile.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon::document {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

std::string error_of(std::string_view text) {
  const auto documents = parse(text, "f.yaml");
  return documents.ok() ? "(no error)" : std::string(documents.status().message());
}

TEST(Parse, ReadsTheProfileThatIsExchanged) {
  const auto documents = parse_file(GNOMON_EXAMPLES "/payment_processing_v3.profile.json");
  ASSERT_TRUE(documents.ok()) << documents.status();
  ASSERT_THAT(documents->profiles, SizeIs(1));
  EXPECT_THAT(documents->services, SizeIs(0));
  const v1::ShadowInstanceProfile& profile = documents->profiles[0];
  EXPECT_EQ(profile.service_descriptor(), "payment_processing_v3");
  EXPECT_EQ(profile.resource_allocation().cpu(), "2x production");
  EXPECT_EQ(profile.resource_allocation().memory(), "1.5x production");
  EXPECT_EQ(profile.noise_parameters().response_delay_mean(), "50ms");
  EXPECT_EQ(profile.noise_parameters().response_delay_stddev(), "10ms");
  EXPECT_EQ(profile.noise_parameters().error_rate(), "0.01");
  EXPECT_THAT(profile.testing_scenarios(), SizeIs(3));
}

TEST(Parse, EveryExampleIsValid) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(GNOMON_EXAMPLES)) {
    const auto documents = parse_file(entry.path());
    EXPECT_TRUE(documents.ok()) << documents.status();
    ++files;
  }
  EXPECT_GE(files, 3);
}

TEST(Parse, ReadsSeveralDocumentsOfOneFile) {
  const auto documents = parse(
      "name: web\ndiscovery:\n  port: 80\n---\nservice_descriptor: web\n---\nservice_descriptor: web\n"
      "noise_parameters: {error_rate: 0.01}\n---\n",
      "f.yaml");
  ASSERT_TRUE(documents.ok()) << documents.status();
  EXPECT_THAT(documents->services, SizeIs(1));
  ASSERT_THAT(documents->profiles, SizeIs(2));
  EXPECT_EQ(documents->services[0].discovery().port(), 80u);
  EXPECT_EQ(documents->profiles[1].noise_parameters().error_rate(), "0.01");
}

TEST(Parse, ReadsJsonIndentedWithTabs) {
  const auto documents = parse("{\n\t\"name\": \"web\",\n\t\"discovery\": {\n\t\t\"port\": 80\n\t}\n}\n", "f.json");
  EXPECT_TRUE(documents.ok()) << documents.status();
}

TEST(Parse, NamesFileLineFieldAndValue) {
  EXPECT_EQ(error_of("service_descriptor: web\nnoise_parameters:\n  response_delay_mean: \"50\"\n"),
            "f.yaml:3: noise_parameters.response_delay_mean: \"50\": needs a unit: one of ns, us, ms, s, m, h");
  EXPECT_THAT(
      error_of("name: web\ndiscovery:\n  port: 80\n---\nservice_descriptor: web\ntesting_scenarios:\n"
               "  - simulated_peak_load_2x\n  - peak\n"),
      StartsWith("f.yaml:8: testing_scenarios[1]: \"peak\": is not a scenario; allowed: simulated_peak_load_<N>x"));
  EXPECT_THAT(error_of("service_descriptor: web\nresource_allocation: {cpu: 0x production}\n"),
              StartsWith("f.yaml:2: resource_allocation.cpu: \"0x production\": must be \"<N>x production\""));
  EXPECT_THAT(error_of("service_descriptor: web\nnoise_parameters:\n  error_rate: -0.5\n"),
              StartsWith("f.yaml:3: noise_parameters.error_rate: \"-0.5\": must be a share from 0 to 1"));
}

TEST(Parse, AMissingFieldIsReportedAtItsParent) {
  EXPECT_THAT(error_of("name: web\ndiscovery:\n  pid: 1\n"), StartsWith("f.yaml:2: discovery.port: is required"));
  EXPECT_THAT(error_of("\nname: web\n"), StartsWith("f.yaml:2: discovery.port: is required"));
}

TEST(Parse, SuggestsTheNearestKnownField) {
  EXPECT_EQ(error_of("service_descriptor: web\nnoise_parameters:\n  response_delay_maen: 5ms\n"),
            "f.yaml:3: noise_parameters.response_delay_maen: unknown field; did you mean response_delay_mean?");
  EXPECT_EQ(error_of("service_descripter: web\nnoise_parameters: {}\n"),
            "f.yaml:1: service_descripter: unknown field; did you mean service_descriptor?");
  EXPECT_EQ(error_of("service_descriptor: web\nresource_allocation:\n  gpus: 1\n"),
            "f.yaml:3: resource_allocation.gpus: unknown field; did you mean cpu?");
  EXPECT_EQ(error_of("service_descriptor: web\nresource_allocation:\n  bandwidth: 1\n"),
            "f.yaml:3: resource_allocation.bandwidth: unknown field; known here: cpu, memory, io_weight");
}

TEST(Parse, RefusesDuplicateFields) {
  EXPECT_EQ(error_of("service_descriptor: web\nservice_descriptor: api\n"),
            "f.yaml:2: service_descriptor: is there twice");
}

TEST(Parse, RefusesValuesOfTheWrongKind) {
  EXPECT_EQ(error_of("name: true\n"), "f.yaml:1: name: \"true\": must be text, not a boolean");
  EXPECT_THAT(error_of("name:\n"), HasSubstr("name: has no value"));
  EXPECT_THAT(error_of("name: ''\n"), HasSubstr("name: is empty"));
  EXPECT_THAT(error_of("name: [web]\n"), HasSubstr("name: must be text"));
  EXPECT_THAT(error_of("name: web\ndiscovery: 80\n"), HasSubstr("f.yaml:2: discovery: must be a mapping"));
  EXPECT_THAT(error_of("service_descriptor: web\ntesting_scenarios: simulated_peak_load_2x\n"),
              HasSubstr("testing_scenarios: must be a list"));
  for (const char* port : {"0", "-1", "80.5", "http", "4294967296"})
    EXPECT_THAT(
        error_of(std::string("name: web\ndiscovery:\n  port: ") + port + "\n"),
        HasSubstr("f.yaml:3: discovery.port: \"" + std::string(port) + "\": must be a whole number above zero"));
  EXPECT_THAT(error_of("name: web\ndiscovery: {port: 65536}\n"), HasSubstr("\"65536\": must be from 1 to 65535"));
}

TEST(Parse, RefusesWhatIsNoDocument) {
  EXPECT_THAT(error_of(""), HasSubstr("f.yaml: holds no document"));
  EXPECT_THAT(error_of("- a\n"), HasSubstr("is neither a profile"));
  EXPECT_THAT(error_of("kind: Pod\n"), HasSubstr("is neither a profile"));
  EXPECT_THAT(error_of("{\"name\": \n"), StartsWith("f.yaml:"));
  EXPECT_THAT(error_of("name: &a web\nname2: *b\n"), AllOf(StartsWith("f.yaml:2"), HasSubstr("is not YAML or JSON")));
  EXPECT_THAT(error_of(std::string(2u << 20, 'a')), HasSubstr("is too large"));
  EXPECT_THAT(error_of(std::string(100'000, '[')), HasSubstr("is not YAML or JSON"));
}

TEST(Parse, ErrorsStayOnOneLine) {
  EXPECT_THAT(error_of("name: \"a\\nb\\e[2J\"\n"), Not(testing::ContainsRegex("[\x01-\x1f]")));
  EXPECT_THAT(error_of("\"na\\nme\": web\nname: a\n"), Not(testing::ContainsRegex("[\x01-\x1f]")));
}

TEST(Parse, SaysWhyAFileCannotBeRead) {
  EXPECT_EQ(parse_file("/nonexistent/p.yaml").status().message(), "/nonexistent/p.yaml: No such file or directory");
  EXPECT_THAT(std::string(parse_file("/").status().message()), HasSubstr("is a directory"));
}

}  // namespace
}  // namespace gnomon::document
