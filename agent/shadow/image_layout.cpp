#include "agent/shadow/image_layout.h"

#include <sys/utsname.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <string_view>
#include <vector>

#include "agent/discovery/procfs.h"
#include "common/status.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "nlohmann/json.hpp"

namespace gnomon::shadow {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr char kTagOf[] = "org.opencontainers.image.ref.name";
constexpr std::uintmax_t kLargestText = 4u << 20;  // as registries allow

json member(const json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() ? *found : json();
}

std::string text(const json& object, const char* key) {
  const json value = member(object, key);
  return value.is_string() ? value.get<std::string>() : "";
}

// It becomes part of a path.
bool is_digest(const std::string& digest) {
  constexpr std::string_view kAlgorithm = "sha256:";
  constexpr std::size_t kDigits = 64;
  return digest.size() == kAlgorithm.size() + kDigits && digest.starts_with(kAlgorithm) &&
         digest.find_first_not_of("0123456789abcdef", kAlgorithm.size()) == std::string::npos;
}

absl::StatusOr<Descriptor> read_descriptor(const json& value) {
  Descriptor descriptor{.media_type = text(value, "mediaType"), .digest = text(value, "digest")};
  if (!is_digest(descriptor.digest))
    return absl::InvalidArgumentError(
        fmt::format("digest: \"{}\": must be sha256: and 64 hexadecimal digits", descriptor.digest));
  const json size = member(value, "size");
  if (!size.is_number_unsigned()) return absl::InvalidArgumentError("size: of a blob is required");
  descriptor.size = size.get<std::uint64_t>();
  return descriptor;
}

absl::StatusOr<json> images_of(const std::string& index) {
  const json parsed = json::parse(index, nullptr, false);
  json images = member(parsed, "manifests");
  if (!images.is_array()) return absl::InvalidArgumentError("manifests: is required: a list of its images");
  return images;
}

absl::StatusOr<std::string> read_text(const std::string& path) {
  std::error_code error;
  const std::uintmax_t size = fs::is_regular_file(path, error) ? fs::file_size(path, error) : 0;
  if (size > kLargestText)
    return absl::InvalidArgumentError(fmt::format("{}: {} bytes are too many for what it is", path, size));
  auto read = discovery::read_file(path);
  if (!read) return errno_status(path);
  return *std::move(read);
}

absl::StatusOr<std::string> read_blob(const std::string& layout, const Descriptor& descriptor) {
  return read_text(layout + "/blobs/sha256/" + descriptor.digest.substr(descriptor.digest.find(':') + 1));
}

absl::Status check_layout(const std::string& directory) {
  std::error_code error;
  if (fs::is_regular_file(directory + "/oci-layout", error) && fs::is_regular_file(directory + "/index.json", error))
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      "is no OCI image layout, a directory with oci-layout and index.json: one is written by \"podman push IMAGE "
      "oci:DIRECTORY:TAG\" or \"skopeo copy\"");
}

}  // namespace

bool is_index(const Descriptor& descriptor) {
  return descriptor.media_type == "application/vnd.oci.image.index.v1+json" ||
         descriptor.media_type == "application/vnd.docker.distribution.manifest.list.v2+json";
}

absl::StatusOr<Descriptor> find_tag(const std::string& index, const std::string& tag) {
  ASSIGN_OR_RETURN(const json images, images_of(index));
  std::vector<std::string> tags;
  std::vector<json> found;
  for (const json& image : images) {
    const std::string name = text(member(image, "annotations"), kTagOf);
    tags.push_back(name.empty() ? "(none)" : name);
    if (tag.empty() || name == tag) found.push_back(image);
  }
  if (found.size() == 1) return read_descriptor(found[0]);
  std::ranges::sort(tags);
  const std::string there = tags.empty() ? "it has no image" : fmt::format("its tags: {}", fmt::join(tags, ", "));
  if (!tag.empty() && found.empty()) return absl::NotFoundError(fmt::format("has no tag \"{}\"; {}", tag, there));
  if (!tag.empty()) return absl::InvalidArgumentError(fmt::format("has tag \"{}\" more than once; {}", tag, there));
  if (found.empty()) return absl::NotFoundError(there);
  return absl::InvalidArgumentError(fmt::format("has more than one image: name a tag, as DIRECTORY:TAG; {}", there));
}

absl::StatusOr<Descriptor> find_platform(const std::string& index, const std::string& architecture) {
  ASSIGN_OR_RETURN(const json images, images_of(index));
  std::vector<std::string> there;
  for (const json& image : images) {
    const json platform = member(image, "platform");
    const std::string os = text(platform, "os"), machine = text(platform, "architecture");
    if (os == "linux" && machine == architecture) return read_descriptor(image);
    there.push_back(os + "/" + machine);
  }
  return absl::NotFoundError(fmt::format("has no image for linux/{}, which this node is; there are: {}", architecture,
                                         there.empty() ? "none" : fmt::format("{}", fmt::join(there, ", "))));
}

absl::StatusOr<Manifest> parse_manifest(const std::string& manifest) {
  const json parsed = json::parse(manifest, nullptr, false);
  auto configuration = read_descriptor(member(parsed, "config"));
  if (!configuration.ok()) return annotate(configuration.status(), "its manifest: config");
  const json layers = member(parsed, "layers");
  if (!layers.is_array()) return absl::InvalidArgumentError("its manifest: layers: is required");
  Manifest read{.configuration = *std::move(configuration), .layers = Bytes{0}};
  for (const json& layer : layers) {
    auto descriptor = read_descriptor(layer);
    if (!descriptor.ok()) return annotate(descriptor.status(), "its manifest: layers");
    if (descriptor->size > std::numeric_limits<std::int64_t>::max() - read.layers.value)
      return absl::InvalidArgumentError("its manifest: layers: size: no disk is that large");
    read.layers.value += descriptor->size;
  }
  return read;
}

absl::Status check_configuration(const std::string& configuration) {
  const json parsed = json::parse(configuration, nullptr, false);
  const json config = member(parsed, "config");
  for (const char* key : {"Entrypoint", "Cmd"})
    if (const json words = member(config, key); words.is_array() && !words.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError("names no program to start: build it with an ENTRYPOINT or a CMD");
}

absl::StatusOr<ImageInLayout> find_image(const document::ImageName& name, const std::string& architecture) {
  RETURN_IF_ERROR(check_layout(name.directory));
  ASSIGN_OR_RETURN(const std::string index, read_text(name.directory + "/index.json"));
  ASSIGN_OR_RETURN(Descriptor found, find_tag(index, name.tag));
  if (is_index(found)) {
    ASSIGN_OR_RETURN(const std::string platforms, read_blob(name.directory, found));
    ASSIGN_OR_RETURN(found, find_platform(platforms, architecture));
  }
  ASSIGN_OR_RETURN(const std::string text_of_manifest, read_blob(name.directory, found));
  ASSIGN_OR_RETURN(const Manifest manifest, parse_manifest(text_of_manifest));
  ASSIGN_OR_RETURN(const std::string configuration, read_blob(name.directory, manifest.configuration));
  RETURN_IF_ERROR(check_configuration(configuration));
  return ImageInLayout{.manifest = std::move(found), .layers = manifest.layers};
}

std::string own_architecture() {
  utsname kernel{};
  ::uname(&kernel);
  const std::string machine = kernel.machine;
  return machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : machine;
}

std::string index_of(const Descriptor& manifest, const std::string& tag) {
  return json{{"schemaVersion", 2},
              {"manifests",
               {{{"mediaType", manifest.media_type},
                 {"digest", manifest.digest},
                 {"size", manifest.size},
                 {"annotations", {{kTagOf, tag}}}}}}}
      .dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace gnomon::shadow
