#include "agent/session/credentials.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace gnomon::session {
namespace {

class Credentials : public testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(::mkdtemp(directory.data()), nullptr); }
  void TearDown() override { std::filesystem::remove_all(directory); }
  void write(const std::string& text) { std::ofstream(directory + "/web") << text; }

  std::string directory = "/tmp/gnomon-credentials-XXXXXX";
};

TEST_F(Credentials, AreTheFilesFirstBytesWithoutTheLinesEnd) {
  write("s3 cret\n");
  EXPECT_EQ(read_password(directory, "web").value(), "s3 cret");
  write("s3cret");
  EXPECT_EQ(read_password(directory, "web").value(), "s3cret");
}

TEST_F(Credentials, AreEmptyWhereThereIsNoFile) {
  EXPECT_EQ(read_password(directory, "web").value(), "");
  EXPECT_EQ(read_password(directory + "/nowhere", "web").value(), "");
}

TEST_F(Credentials, AnErrorNamesTheFileAndNothingThatIsInIt) {
  write(std::string(5000, 'x'));
  const auto refused = read_password(directory, "web");
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.status().message().find(directory + "/web has more than 4096 bytes"), std::string::npos);
  EXPECT_EQ(refused.status().message().find("xxx"), std::string::npos);
  EXPECT_FALSE(read_password("/tmp", std::filesystem::path(directory).filename()).ok());  // a directory
}

}  // namespace
}  // namespace gnomon::session
