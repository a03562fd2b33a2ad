#pragma once
// A validated ShadowInstanceProfile: quantities typed, scenarios resolved.

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "common/units.h"
#include "document/noise.h"
#include "document/service.h"
#include "gnomon/v1/document.pb.h"

namespace gnomon::document {

// "2x production".
struct RelativeToProduction {
  double factor = 1;
  friend bool operator==(const RelativeToProduction&, const RelativeToProduction&) = default;
};

struct Profile {
  std::string service;
  std::variant<RelativeToProduction, MilliCpu> cpu = RelativeToProduction{0.25};
  std::variant<RelativeToProduction, Bytes> memory = RelativeToProduction{1};
  std::optional<unsigned> io_weight;  // 1 to 1000
  Noise noise;
  std::vector<DependencyNoise> dependencies;  // noise on the paths to what it depends on
  double load_multiple = 2;  // ρ of the treatment, from simulated_peak_load_<N>x; a profile without one gives 1
  std::vector<std::string> inert_scenarios;  // accepted by name, but nothing acts on them yet
};

// Checks every field and resolves scenarios; the error names field path, value and what is allowed. `file` and the
// field prefix are the caller's to add.
absl::StatusOr<Profile> validate(const v1::ShadowInstanceProfile& message);

// Each dependency of the profile is one that the service's shadow may reach, or the error names the field.
absl::Status check_dependencies(const Profile& profile, const Service& service);

// Content-derived id of a profile document: "<service>-<8 hex digits>".
std::string profile_id(const v1::ShadowInstanceProfile& message);

}  // namespace gnomon::document
