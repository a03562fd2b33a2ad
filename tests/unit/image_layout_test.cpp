// Which image of a layout is meant, decided from its texts.

#include "agent/shadow/image_layout.h"

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace gnomon::shadow {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::string kFirst = "sha256:" + std::string(64, '1'), kSecond = "sha256:" + std::string(64, '2');

std::string entry(const std::string& digest, const std::string& tag) {
  return fmt::format(
      R"({{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":7{}}})", digest,
      tag.empty() ? "" : fmt::format(R"(,"annotations":{{"org.opencontainers.image.ref.name":"{}"}})", tag));
}

std::string index(const std::string& entries) {
  return R"({"schemaVersion":2,"manifests":[)" + entries + "]}";
}

std::string message(const absl::Status& status) {
  return std::string(status.message());
}

TEST(ImageLayout, ATagNamesOneOfItsImages) {
  const std::string two = index(entry(kFirst, "1.1") + "," + entry(kSecond, "1.2"));
  EXPECT_EQ(find_tag(two, "1.1")->digest, kFirst);
  EXPECT_EQ(find_tag(two, "1.2")->digest, kSecond);
  EXPECT_EQ(find_tag(two, "1.2")->size, 7u);
}

TEST(ImageLayout, WithoutATagItsOnlyImageIsMeant) {
  EXPECT_EQ(find_tag(index(entry(kFirst, "")), "")->digest, kFirst);
  EXPECT_EQ(find_tag(index(entry(kFirst, "latest")), "")->digest, kFirst);
}

TEST(ImageLayout, ATagThatIsNotThereOrMissingNamesThoseThatThereAre) {
  const std::string two = index(entry(kFirst, "1.2") + "," + entry(kSecond, "1.1"));
  EXPECT_EQ(find_tag(two, "2.0").status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(message(find_tag(two, "2.0").status()), AllOf(HasSubstr("no tag \"2.0\""), HasSubstr("1.1, 1.2")));
  EXPECT_THAT(message(find_tag(two, "").status()), AllOf(HasSubstr("DIRECTORY:TAG"), HasSubstr("1.1, 1.2")));
  const std::string twice = index(entry(kFirst, "a") + "," + entry(kSecond, "a"));
  EXPECT_THAT(message(find_tag(twice, "a").status()), HasSubstr("more than once"));
  EXPECT_THAT(message(find_tag(index(""), "a").status()), HasSubstr("it has no image"));
}

TEST(ImageLayout, ADigestCannotLeadOutOfTheLayout) {
  for (const std::string& bad : {std::string("sha256:../../../../etc/passwd"), std::string("sha256:") + "1",
                                 "sha512:" + std::string(64, '1'), "sha256:" + std::string(63, '1') + "/"})
    EXPECT_THAT(message(find_tag(index(entry(bad, "a")), "a").status()), HasSubstr("64 hexadecimal digits")) << bad;
}

TEST(ImageLayout, OfSeveralMachinesImagesThisOnesIsTaken) {
  const auto of = [](const std::string& digest, const char* machine) {
    return fmt::format(R"({{"digest":"{}","size":7,"platform":{{"os":"linux","architecture":"{}"}}}})", digest,
                       machine);
  };
  const std::string both = index(of(kFirst, "arm64") + "," + of(kSecond, "amd64"));
  EXPECT_EQ(find_platform(both, "amd64")->digest, kSecond);
  EXPECT_EQ(find_platform(both, "arm64")->digest, kFirst);
  EXPECT_THAT(message(find_platform(both, "s390x").status()),
              AllOf(HasSubstr("linux/s390x"), HasSubstr("linux/arm64, linux/amd64")));
}

TEST(ImageLayout, AManifestTellsHowLargeItsLayersAre) {
  const std::string config = R"({"config":{"digest":")" + kFirst + R"(","size":3},"layers":)";
  const auto layer = [](const std::string& size) { return R"({"digest":")" + kSecond + R"(","size":)" + size + "}"; };
  const auto manifest = parse_manifest(config + "[" + layer("100") + "," + layer("23") + "]}");
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->layers.value, 123u);
  EXPECT_EQ(manifest->configuration.digest, kFirst);
  const std::string most = layer("9223372036854775807");
  EXPECT_THAT(message(parse_manifest(config + "[" + most + "," + most + "]}").status()), HasSubstr("layers: size"));
  for (const char* bad : {"", "[]", "{}", "{\"config\":{}}"})
    EXPECT_THAT(message(parse_manifest(bad).status()), HasSubstr("its manifest: config")) << bad;
}

TEST(ImageLayout, AnImageWithoutAProgramIsRefused) {
  EXPECT_TRUE(check_configuration(R"({"config":{"Cmd":["/server"]}})").ok());
  EXPECT_TRUE(check_configuration(R"({"config":{"Entrypoint":["/server"],"Cmd":null}})").ok());
  for (const char* none : {"", "{}", R"({"config":{}})", R"({"config":{"Cmd":[],"Entrypoint":null}})"})
    EXPECT_THAT(message(check_configuration(none)), HasSubstr("ENTRYPOINT or a CMD")) << none;
}

TEST(ImageLayout, AnIndexOfOneImageIsReadAgainAsItWasWritten) {
  const auto first = find_tag(index(entry(kFirst, "1.1") + "," + entry(kSecond, "1.2")), "1.2");
  ASSERT_TRUE(first.ok());
  const auto again = find_tag(index_of(*first, "image"), "image");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->digest, kSecond);
  EXPECT_EQ(again->media_type, first->media_type);
  EXPECT_EQ(again->size, first->size);
  EXPECT_FALSE(is_index(*again));
}

TEST(ImageLayout, ADirectoryThatIsNoneSaysHowOneIsWritten) {
  EXPECT_THAT(message(find_image({.directory = "/proc/self", .tag = ""}, "amd64").status()),
              AllOf(HasSubstr("is no OCI image layout"), HasSubstr("oci-layout"), HasSubstr("podman push"),
                    Not(HasSubstr("\n"))));
}

}  // namespace
}  // namespace gnomon::shadow
