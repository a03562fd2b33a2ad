#include "document/service.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon::document {
namespace {

using namespace std::chrono_literals;
using testing::StartsWith;

v1::ServiceDescriptor web() {
  v1::ServiceDescriptor message;
  message.set_name("web");
  message.mutable_discovery()->set_port(80);
  return message;
}

TEST(ValidateReadiness, IsAnOpenPortWithinTenSecondsUnlessSaidOtherwise) {
  const auto service = validate(web());
  ASSERT_TRUE(service.ok()) << service.status();
  EXPECT_EQ(service->readiness.http_path, "");
  EXPECT_EQ(service->readiness.timeout, 10s);
  EXPECT_DOUBLE_EQ(service->max_production_cost->value, 0.02);
}

TEST(ValidateReadiness, TypesWhatIsSaid) {
  v1::ServiceDescriptor message = web();
  message.mutable_shadow()->mutable_readiness()->set_http_path("/healthz?full=1");
  message.mutable_shadow()->mutable_readiness()->set_timeout("90s");
  message.mutable_shadow()->set_max_production_cost("10%");
  const auto service = validate(message);
  ASSERT_TRUE(service.ok()) << service.status();
  EXPECT_EQ(service->readiness.http_path, "/healthz?full=1");
  EXPECT_EQ(service->readiness.timeout, 90s);
  EXPECT_DOUBLE_EQ(service->max_production_cost->value, 0.1);
}

TEST(ValidateReadiness, TakesABoundThatIsOff) {
  v1::ServiceDescriptor message = web();
  message.mutable_shadow()->set_max_production_cost("off");
  const auto service = validate(message);
  ASSERT_TRUE(service.ok()) << service.status();
  EXPECT_FALSE(service->max_production_cost);
}

TEST(ValidateReadiness, NamesTheFieldThatIsWrong) {
  const auto error_of = [](const std::string& path, const std::string& timeout, const std::string& cost) {
    v1::ServiceDescriptor message = web();
    message.mutable_shadow()->mutable_readiness()->set_http_path(path);
    message.mutable_shadow()->mutable_readiness()->set_timeout(timeout);
    message.mutable_shadow()->set_max_production_cost(cost);
    const auto service = validate(message);
    return service.ok() ? "(no error)" : std::string(service.status().message());
  };
  EXPECT_THAT(error_of("healthz", "", ""), StartsWith("shadow.readiness.http_path: \"healthz\": must be a path"));
  EXPECT_THAT(error_of("/a b", "", ""), StartsWith("shadow.readiness.http_path: \"/a b\""));
  EXPECT_THAT(error_of("/a\r\nX: y", "", ""), StartsWith("shadow.readiness.http_path: "));
  EXPECT_THAT(error_of("", "10", ""), StartsWith("shadow.readiness.timeout: \"10\": "));
  EXPECT_THAT(error_of("", "11m", ""), StartsWith("shadow.readiness.timeout: \"11m\": must be above zero"));
  EXPECT_THAT(error_of("", "", "2"), StartsWith("shadow.max_production_cost: \"2\": "));
  EXPECT_THAT(error_of("", "", "0%"), StartsWith("shadow.max_production_cost: \"0%\": must be above zero"));
}

}  // namespace
}  // namespace gnomon::document
