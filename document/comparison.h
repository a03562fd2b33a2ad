#pragma once
// Whether responses are compared, of a service's ShadowPolicy.

#include <string_view>

#include "absl/status/statusor.h"
#include "common/units.h"
#include "gnomon/v1/document.pb.h"

namespace gnomon::document {

struct Comparison {
  enum class Level { kOff, kStatus, kBody };
  Level level = Level::kOff;
  // Of each response of production, header included, at most so many are captured. Enough for the header where the
  // level is kStatus.
  Bytes bytes{1024};
};

// The values of shadow.compare_responses, in the order of Comparison::Level.
inline constexpr std::string_view kCompareResponses[] = {"off", "status", "body"};
inline constexpr Bytes kDefaultCompareBytes{4096}, kLeastCompareBytes{256}, kMostCompareBytes{64 << 10};

absl::StatusOr<Comparison> validate_comparison(const v1::ShadowPolicy& policy);

}  // namespace gnomon::document
