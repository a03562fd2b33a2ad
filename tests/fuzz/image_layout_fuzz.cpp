// The readers of an image layout's texts on arbitrary ones: what they accept points at blobs of the layout, and nowhere
// else.
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string>

#include "agent/shadow/image_layout.h"

namespace {

using namespace gnomon::shadow;

void require(bool condition) {
  if (!condition) std::abort();
}

void check(const absl::StatusOr<Descriptor>& found) {
  if (!found.ok()) {
    require(!found.status().message().empty());
    return;
  }
  require(found->digest.size() == 71 && found->digest.starts_with("sha256:"));
  require(found->digest.find_first_of("/.") == std::string::npos);
  const auto again = find_tag(index_of(*found, "image"), "image");
  require(again.ok() && again->digest == found->digest && again->size == found->size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check(find_tag(text, ""));
  check(find_tag(text, "1.2"));
  check(find_platform(text, "amd64"));
  if (const auto manifest = parse_manifest(text); manifest.ok()) {
    check(manifest->configuration);
    require(manifest->layers.value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
  }
  (void)check_configuration(text);
  return 0;
}
