#pragma once
// Which of an OCI image layout's images is meant, and what its manifest and configuration say. Layers are for another
// program to read.

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "common/units.h"
#include "document/image_name.h"

namespace gnomon::shadow {

// Of a blob: what index and manifest point with.
struct Descriptor {
  std::string media_type;
  std::string digest;  // "sha256:" and 64 hexadecimal digits
  std::uint64_t size = 0;
};

struct Manifest {
  Descriptor configuration;
  Bytes layers;  // as they are on the disk, most often compressed
};

// Errors of all: what is wrong with the text, and what to do about it.

// The one with the tag, or the only one if that is empty; the error names the tags that there are. Of an image for
// several machines it is their index.
absl::StatusOr<Descriptor> find_tag(const std::string& index, const std::string& tag);
// Of such an index the one for Linux on `architecture` ("amd64").
absl::StatusOr<Descriptor> find_platform(const std::string& index, const std::string& architecture);
absl::StatusOr<Manifest> parse_manifest(const std::string& text);
// That it names a program to start.
absl::Status check_configuration(const std::string& text);

bool is_index(const Descriptor& descriptor);

struct ImageInLayout {
  Descriptor manifest;
  Bytes layers;
};

// Reads and checks all of these for `architecture`, in `name`'s directory.
absl::StatusOr<ImageInLayout> find_image(const document::ImageName& name, const std::string& architecture);

// This machine's, by the name that images have for it.
std::string own_architecture();

// The text of an index.json whose only image is this one, under the tag.
std::string index_of(const Descriptor& manifest, const std::string& tag);

}  // namespace gnomon::shadow
