#pragma once
// The name of an OCI image on a node's disk: "/srv/images/web:1.2".

#include <string>

#include "absl/status/statusor.h"

namespace gnomon::document {

struct ImageName {
  std::string directory;  // of an OCI image layout, absolute
  std::string tag;        // empty: the layout has one image only

  std::string text() const { return tag.empty() ? directory : directory + ":" + tag; }
};

// What is behind the first ':' of its last component is the tag. Errors give the value and what it must be.
absl::StatusOr<ImageName> parse_image_name(const std::string& text);

}  // namespace gnomon::document
