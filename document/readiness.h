#pragma once
// Validated Readiness: when a shadow is taken to be up.

#include <chrono>
#include <string>

#include "absl/status/statusor.h"
#include "common/units.h"
#include "gnomon/v1/document.pb.h"

namespace gnomon::document {

struct Readiness {
  std::string http_path;  // GET is answered with 2xx or 3xx; empty: its port accepts a connection
  Nanos timeout = std::chrono::seconds(10);
  friend bool operator==(const Readiness&, const Readiness&) = default;
};

// The error begins with "shadow.readiness.", then the field, its value and what is allowed.
absl::StatusOr<Readiness> validate(const v1::Readiness& message);

}  // namespace gnomon::document
