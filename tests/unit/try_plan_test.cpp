#include "cli/try_plan.h"

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class TryPlanTest : public testing::Test {
 protected:
  TryPlanTest() {
    char pattern[] = "/tmp/gnomon-try-plan-XXXXXX";
    directory_ = ::mkdtemp(pattern);
  }
  ~TryPlanTest() override { std::filesystem::remove_all(directory_); }
  std::string file(const std::string& text) {
    const std::string path = directory_ + "/profile.yaml";
    std::ofstream(path) << text;
    return path;
  }
  static std::string error_of(const TryOptions& options) {
    const auto plan = plan_try(options);
    return plan.ok() ? "(no error)" : std::string(plan.status().message());
  }
  std::string directory_;
};

TEST_F(TryPlanTest, APortIsEnough) {
  const auto plan = plan_try({.port = 8080});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->service.name, "port-8080");
  EXPECT_EQ(plan->service.port, 8080);
  EXPECT_DOUBLE_EQ(plan->service.sampled_fraction.value, 0.05);
  EXPECT_EQ(plan->profile.load_multiple, 2);
  EXPECT_EQ(std::get<document::RelativeToProduction>(plan->profile.cpu).factor, 0.25);
  EXPECT_FALSE(plan->profile.noise.any());
  EXPECT_EQ(plan->request.session_duration_ms(), 60'000);
}

TEST_F(TryPlanTest, FlagsOverrideTheDescriptorOfTheFile) {
  const auto plan = plan_try(
      {.port = 81, .pid = 7, .profile = file("name: web\ndiscovery: {port: 80}\n---\nservice_descriptor: web\n")});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->service.name, "web");
  EXPECT_EQ(plan->service.port, 81);
  EXPECT_EQ(plan->service.pid, 7);
}

TEST_F(TryPlanTest, ComparesAsManyBytesOfResponsesAsItIsTold) {
  const auto plan = plan_try({.port = 80, .compare_responses = "body", .compare_bytes = "64Ki"});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->service.comparison.level, document::Comparison::Level::kBody);
  EXPECT_EQ(plan->service.comparison.bytes.value, 64u << 10);
  EXPECT_EQ(error_of({.port = 80, .compare_bytes = "64Ki"}),
            "shadow.compare_bytes: \"64Ki\": needs shadow.compare_responses: body");
}

TEST_F(TryPlanTest, TheFilesDescriptorMayNameThePort) {
  const auto plan = plan_try({.profile = file("name: web\ndiscovery: {port: 80}\n---\nservice_descriptor: web\n")});
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->service.port, 80);
}

TEST_F(TryPlanTest, WrongFlagsAreUsageErrorsThatNameTheFlag) {
  EXPECT_THAT(error_of({}), StartsWith("--port is required"));
  EXPECT_THAT(error_of({.port = 70000}), StartsWith("--port: \"70000\""));
  EXPECT_THAT(error_of({.port = 80, .fraction = "-5%"}),
              StartsWith("--fraction: \"-5%\": must be a share from 0 to 1"));
  EXPECT_THAT(error_of({.port = 80, .fraction = "0"}), StartsWith("--fraction: \"0\": must be above zero"));
  EXPECT_THAT(error_of({.port = 80, .duration = "60"}), StartsWith("--for: \"60\": needs a unit"));
  EXPECT_THAT(error_of({.port = 80, .duration = "5s"}), StartsWith("--for: \"5s\": must be from 15s to 24h"));
  EXPECT_THAT(error_of({.port = 80, .budget_cpu = "none"}), StartsWith("--budget-cpu: \"none\""));
  EXPECT_THAT(error_of({.port = 80, .budget_memory = "0"}), StartsWith("--budget-memory: \"0\""));
  EXPECT_TRUE(absl::IsInvalidArgument(plan_try({}).status()));
}

TEST_F(TryPlanTest, AWrongFileIsNoUsageErrorAndIsNamed) {
  const std::string two = file("service_descriptor: a\n---\nservice_descriptor: b\n");
  EXPECT_THAT(error_of({.port = 80, .profile = two}), HasSubstr("profile.yaml: holds 2 profiles"));
  EXPECT_THAT(error_of({.port = 80, .profile = file("name: web\ndiscovery: {port: 80}\n")}),
              HasSubstr("holds 0 profiles"));
  EXPECT_THAT(error_of({.port = 80, .profile = file("name: a\ndiscovery: {port: 80}\n---\nservice_descriptor: b\n")}),
              HasSubstr("the profile is of \"b\", the service descriptor is named \"a\""));
  const auto missing = plan_try({.port = 80, .profile = "/nonexistent"});
  EXPECT_THAT(std::string(missing.status().message()), StartsWith("/nonexistent: No such file"));
  EXPECT_FALSE(absl::IsInvalidArgument(missing.status()));
}

TEST_F(TryPlanTest, CheckingTheReportsPathChangesNothing) {
  const std::string path = directory_ + "/report.html";
  EXPECT_TRUE(check_writable(path).ok());
  EXPECT_FALSE(std::filesystem::exists(path));
  std::ofstream(path) << "old";
  EXPECT_TRUE(check_writable(path).ok());
  EXPECT_EQ(std::filesystem::file_size(path), 3u);
  EXPECT_THAT(std::string(check_writable(directory_ + "/none/report.html").message()), HasSubstr("No such file"));
  EXPECT_THAT(std::string(check_writable(directory_).message()), HasSubstr("Is a directory"));
}

}  // namespace
}  // namespace gnomon::cli
