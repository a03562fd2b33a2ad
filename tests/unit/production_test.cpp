#include "agent/session/production.h"

#include "gtest/gtest.h"
#include "tests/unit/scripted_probe.h"

namespace gnomon::session {
namespace {

class ProductionTest : public testing::Test {
 protected:
  void make(const std::string& sample_by) {
    document::Service service;
    service.sampled_fraction = Fraction{0.5};
    service.sample_by = sample_by;
    production = Production::make(
                     probe, service, 1, {}, [](std::vector<protocol::Request>) {}, [](std::uint64_t) {})
                     .value();
  }
  // A connection that begins with `bytes`.
  void connection(std::uint64_t id, std::string_view bytes) {
    tap_record header{.conn_id = id, .type = TAP_OPEN};
    production->record(header, {});
    header.type = TAP_DATA;
    header.len = static_cast<__u32>(bytes.size());
    production->record(header, std::as_bytes(std::span(bytes)));
  }
  ScriptedProbe probe;
  std::unique_ptr<Production> production;
};

constexpr std::string_view kHttp1 = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", kRedis = "*1\r\n$4\r\nPING\r\n";

TEST_F(ProductionTest, NothingIsCopiedOrSampledWhileItIsOff) {
  make("connection");
  connection(1, kHttp1);
  ASSERT_TRUE(production->set_off(true).ok());
  EXPECT_TRUE(probe.paused[0]);
  EXPECT_EQ(probe.fraction[0], 0);
  ASSERT_TRUE(production->set_off(false).ok());
  EXPECT_FALSE(probe.paused[0]);
  EXPECT_EQ(probe.fraction[0], 0.5);
}

TEST_F(ProductionTest, WhereRequestsAreDrawnNewConnectionsAreStillSeen) {
  make("request");
  ASSERT_TRUE(production->set_off(true).ok());
  EXPECT_TRUE(probe.paused[0]);
  EXPECT_EQ(probe.fraction[0], 1);
}

TEST_F(ProductionTest, WhatDependsOnEarlierRequestsIsCopiedAllTheTime) {
  make("connection");
  connection(1, kRedis);
  ASSERT_TRUE(production->set_off(true).ok());
  EXPECT_FALSE(probe.paused[0]);
}

TEST_F(ProductionTest, APauseOfCopyingEndsWithTheFirstConnectionThatDependsOnEarlierRequests) {
  make("request");
  connection(1, kHttp1);
  ASSERT_TRUE(production->set_off(true).ok());
  connection(2, kRedis);
  EXPECT_FALSE(probe.paused[0]);
}

}  // namespace
}  // namespace gnomon::session
