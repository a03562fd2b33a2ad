#include "common/units.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

template <class T>
std::string message(const absl::StatusOr<T>& result) {
  return result.ok() ? "(no error)" : std::string(result.status().message());
}

TEST(Units, FractionsAreSharesOrPercentages) {
  EXPECT_DOUBLE_EQ(parse_fraction("5%")->value, 0.05);
  EXPECT_DOUBLE_EQ(parse_fraction("0.01")->value, 0.01);
  EXPECT_DOUBLE_EQ(parse_fraction("100%")->value, 1);
  EXPECT_DOUBLE_EQ(parse_fraction("0")->value, 0);
  for (const char* bad : {"", "%", "-5%", "101%", "1.5", "5 %", "1e-3", "0.0.1", ".5", "5.", "nan", "0x1"})
    EXPECT_THAT(message(parse_fraction(bad)), HasSubstr("must be a share from 0 to 1")) << bad;
}

TEST(Units, DurationsNeedAUnit) {
  EXPECT_EQ(*parse_duration("50ms"), milliseconds(50));
  EXPECT_EQ(*parse_duration("1.5s"), milliseconds(1500));
  EXPECT_EQ(*parse_duration("200us"), Nanos(200'000));
  EXPECT_EQ(*parse_duration("250ns"), Nanos(250));
  EXPECT_EQ(*parse_duration("10m"), std::chrono::minutes(10));
  EXPECT_EQ(*parse_duration("1h"), std::chrono::hours(1));
  EXPECT_EQ(*parse_duration("0"), Nanos(0));
  EXPECT_EQ(message(parse_duration("50")), "\"50\": needs a unit: one of ns, us, ms, s, m, h");
  for (const char* bad : {"-1ms", "ms", "5 ms", "1d", "1e3s", ""})
    EXPECT_THAT(message(parse_duration(bad)), HasSubstr("must be a duration")) << bad;
  EXPECT_THAT(message(parse_duration("9999999999h")), HasSubstr("too long"));
}

TEST(Units, BytesHaveBinaryAndDecimalSuffixes) {
  EXPECT_EQ(parse_bytes("256Mi")->value, 256u << 20);
  EXPECT_EQ(parse_bytes("1.5Gi")->value, 1536ull << 20);
  EXPECT_EQ(parse_bytes("4096")->value, 4096u);
  EXPECT_EQ(parse_bytes("10M")->value, 10'000'000u);
  for (const char* bad : {"0", "-1Mi", "1MB", "Mi", "0.1", "1K"})
    EXPECT_THAT(message(parse_bytes(bad)), HasSubstr("must be an amount of memory above zero")) << bad;
  EXPECT_THAT(message(parse_bytes("99999999999Ti")), HasSubstr("too much"));
}

TEST(Units, CpusAreWholeOrThousandths) {
  EXPECT_EQ(parse_cpu("500m")->value, 500);
  EXPECT_EQ(parse_cpu("1.5")->value, 1500);
  for (const char* bad : {"0", "0m", "-1", "1k", "0.0001", "two"})
    EXPECT_THAT(message(parse_cpu(bad)), HasSubstr("must be processors above zero")) << bad;
}

TEST(Units, FormatsThreeSignificantDigits) {
  EXPECT_EQ(format_fraction({0.05}), "5%");
  EXPECT_EQ(format_fraction({0.123456}), "12.3%");
  EXPECT_EQ(format_fraction({0.0001}), "0.01%");
  EXPECT_EQ(format_fraction({1}), "100%");
  EXPECT_EQ(format_duration(Nanos(0)), "0");
  EXPECT_EQ(format_duration(Nanos(1'250'000)), "1.25 ms");
  EXPECT_EQ(format_duration(Nanos(-50'400'000)), "-50.4 ms");
  EXPECT_EQ(format_duration(Nanos(999'999)), "1 ms");
  EXPECT_EQ(format_duration(std::chrono::seconds(90)), "90 s");
  EXPECT_EQ(format_duration(std::chrono::minutes(10)), "10 min");
  EXPECT_EQ(format_bytes({256u << 20}), "256Mi");
  EXPECT_EQ(format_bytes({1536ull << 20}), "1.5Gi");
  EXPECT_EQ(format_bytes({0}), "0");
  EXPECT_EQ(format_cpu({500}), "0.5");
  EXPECT_EQ(format_cpu({2000}), "2");
}

}  // namespace
}  // namespace gnomon
