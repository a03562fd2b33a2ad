#include "coordinator/store/store.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon::store {
namespace {

using ::testing::HasSubstr;

// A directory of the test's own, removed at its end.
class StoreFile : public ::testing::Test {
 protected:
  StoreFile() {
    std::string pattern = ::testing::TempDir() + "gnomon-store-XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~StoreFile() override { std::filesystem::remove_all(directory_); }
  std::string path() const { return directory_ / "coordinator.db"; }
  std::filesystem::path directory_;
};

std::unique_ptr<Store> open_or_die(const std::string& path) {
  auto store = Store::open(path);
  if (!store.ok()) throw std::runtime_error(std::string(store.status().message()));
  return *std::move(store);
}

v1::Sample sample(const std::string& session, std::int64_t end, int block, bool settled = true) {
  v1::Sample sample;
  sample.set_session_id(session);
  sample.set_role(v1::ROLE_SHADOW);
  sample.set_end_unix_ms(end);
  sample.set_block(block);
  sample.set_settled(settled);
  sample.set_requests(7);
  return sample;
}

v1::Session session(const std::string& id, std::int64_t created, std::int64_t ended = 0) {
  v1::Session session;
  session.set_id(id);
  session.set_created_unix_ms(created);
  session.set_ended_unix_ms(ended);
  return session;
}

TEST_F(StoreFile, EverythingIsThereAfterReopening) {
  {
    auto store = open_or_die(path());
    Node node;
    node.hello.set_node("n1");
    node.last_seen_unix_ms = 42;
    node.desired.set_revision(9);
    v1::ServiceDescriptor service;
    service.set_name("web");
    v1::Profile profile;
    profile.set_id("web-12345678");
    ASSERT_TRUE(store->put_node(node).ok());
    ASSERT_TRUE(store->put_service(service).ok());
    ASSERT_TRUE(store->put_profile(profile).ok());
    ASSERT_TRUE(store->put_session(session("s-1", 1)).ok());
    ASSERT_TRUE(store->add_sample(sample("s-1", 1000, 0), 1, 0).ok());
  }
  auto store = open_or_die(path());
  ASSERT_EQ(store->nodes()->size(), 1u);
  EXPECT_EQ(store->nodes()->at(0).desired.revision(), 9u);
  EXPECT_EQ(store->nodes()->at(0).last_seen_unix_ms, 42);
  EXPECT_EQ(store->services()->at(0).name(), "web");
  EXPECT_EQ(store->profiles()->at(0).id(), "web-12345678");
  EXPECT_EQ(store->session("s-1")->created_unix_ms(), 1);
  EXPECT_EQ(store->samples("s-1")->at(0).requests(), 7u);
}

TEST_F(StoreFile, ASecondCoordinatorOnTheSameFileIsRefused) {
  auto first = open_or_die(path());
  const auto second = Store::open(path());
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("in use"));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(path()));
}

TEST_F(StoreFile, ANewerSchemaIsRefusedAndLeftAlone) {
  {
    sqlite3* handle = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &handle), SQLITE_OK);
    DatabasePtr database(handle);
    ASSERT_TRUE(execute(handle, "CREATE TABLE future (x); PRAGMA user_version = 77").ok());
  }
  const auto store = Store::open(path());
  ASSERT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(store.status().message()), HasSubstr("77"));
  EXPECT_THAT(std::string(store.status().message()), HasSubstr(path()));
}

TEST_F(StoreFile, AFileThatIsNoDatabaseIsRefused) {
  std::ofstream(path()) << std::string(4096, 'x');
  const auto store = Store::open(path());
  EXPECT_EQ(store.status().code(), absl::StatusCode::kDataLoss) << store.status();
}

TEST_F(StoreFile, APathThatCannotBeWrittenIsNamed) {
  std::ofstream(directory_ / "file") << "x";
  const std::string below_a_file = directory_ / "file" / "coordinator.db";
  const auto store = Store::open(below_a_file);
  ASSERT_FALSE(store.ok());
  EXPECT_THAT(std::string(store.status().message()), HasSubstr(below_a_file));
  EXPECT_FALSE(Store::open(directory_).ok());  // a directory
}

TEST_F(StoreFile, ADirectoryThatIsMissingIsMade) {
  EXPECT_TRUE(Store::open(directory_ / "a" / "b" / "coordinator.db").ok());
}

TEST(Store, StoringASampleTwiceChangesNothing) {
  auto store = open_or_die(":memory:");
  EXPECT_TRUE(*store->add_sample(sample("s-1", 1000, 0), 1, 0));
  EXPECT_FALSE(*store->add_sample(sample("s-1", 1000, 0), 1, 0));
  EXPECT_EQ(store->samples("s-1")->size(), 1u);
}

TEST(Store, TwoSamplesOfOneMomentAreBothKept) {
  auto store = open_or_die(":memory:");
  EXPECT_TRUE(*store->add_sample(sample("s-1", 1000, 0), 1, 0));
  EXPECT_TRUE(*store->add_sample(sample("s-1", 1000, 0), 1, 1));
  EXPECT_TRUE(*store->add_sample(sample("s-1", 1000, 0), 2, 0));
  EXPECT_TRUE(*store->add_sample(sample("s-1", 1000, 0, false), 2, 0));
  EXPECT_EQ(store->samples("s-1")->size(), 4u);
}

TEST(Store, SamplesOfIncompleteBlocksAreKeptButNoLongerSettled) {
  auto store = open_or_die(":memory:");
  ASSERT_TRUE(*store->add_sample(sample("s-1", 1000, 0), 1, 0));
  ASSERT_TRUE(*store->add_sample(sample("s-1", 2000, 1), 2, 0));
  ASSERT_TRUE(*store->add_sample(sample("s-2", 2000, 1), 2, 1));
  EXPECT_EQ(*store->discard_incomplete("s-1", {0}), 1);
  EXPECT_EQ(*store->discard_incomplete("s-1", {0}), 0);
  const auto samples = *store->samples("s-1");
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_TRUE(samples[0].settled());
  EXPECT_FALSE(samples[1].settled());
  EXPECT_TRUE(store->samples("s-2")->at(0).settled());
}

TEST(Store, ADiscardedSampleThatIsSentAgainStaysDiscarded) {
  auto store = open_or_die(":memory:");
  ASSERT_TRUE(*store->add_sample(sample("s-1", 1000, 0), 1, 0));
  ASSERT_EQ(*store->discard_incomplete("s-1", {}), 1);
  EXPECT_FALSE(*store->add_sample(sample("s-1", 1000, 0), 1, 0));
  EXPECT_FALSE(store->samples("s-1")->at(0).settled());
}

TEST(Store, AnUnknownSessionIsNotFoundByName) {
  auto store = open_or_die(":memory:");
  const auto missing = store->session("s-nope");
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.status().message()), HasSubstr("s-nope"));
}

TEST(Store, OnlySessionsThatHaveNotEndedAreLoadedAsActive) {
  auto store = open_or_die(":memory:");
  ASSERT_TRUE(store->put_session(session("s-old", 1, 5)).ok());
  ASSERT_TRUE(store->put_session(session("s-new", 2)).ok());
  ASSERT_EQ(store->sessions_not_ended()->size(), 1u);
  EXPECT_EQ(store->sessions_not_ended()->at(0).id(), "s-new");
  EXPECT_EQ(store->sessions()->size(), 2u);
}

TEST(Store, ATransactionThatIsNotCommittedLeavesNothing) {
  auto store = open_or_die(":memory:");
  {
    Store::Transaction transaction(*store);
    ASSERT_TRUE(store->put_session(session("s-1", 1)).ok());
  }
  EXPECT_TRUE(store->sessions()->empty());
  {
    Store::Transaction transaction(*store);
    ASSERT_TRUE(store->put_session(session("s-1", 1)).ok());
    ASSERT_TRUE(transaction.commit().ok());
  }
  EXPECT_EQ(store->sessions()->size(), 1u);
}

}  // namespace
}  // namespace gnomon::store
