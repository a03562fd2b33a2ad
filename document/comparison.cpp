#include "document/comparison.h"

#include <algorithm>
#include <iterator>

#include "common/status.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace gnomon::document {

absl::StatusOr<Comparison> validate_comparison(const v1::ShadowPolicy& policy) {
  Comparison comparison;
  if (const std::string& text = policy.compare_responses(); !text.empty()) {
    const auto found = std::ranges::find(kCompareResponses, text);
    if (found == std::end(kCompareResponses))
      return absl::InvalidArgumentError(
          fmt::format("shadow.compare_responses: \"{}\": must be one of {}", text, fmt::join(kCompareResponses, ", ")));
    comparison.level = static_cast<Comparison::Level>(found - std::begin(kCompareResponses));
  }
  const bool body = comparison.level == Comparison::Level::kBody;
  if (body) comparison.bytes = kDefaultCompareBytes;
  if (policy.compare_bytes().empty()) return comparison;
  if (!body)
    return absl::InvalidArgumentError(
        fmt::format("shadow.compare_bytes: \"{}\": needs shadow.compare_responses: body", policy.compare_bytes()));
  auto bytes = parse_bytes(policy.compare_bytes());
  if (!bytes.ok()) return annotate(bytes.status(), "shadow.compare_bytes");
  if (bytes->value < kLeastCompareBytes.value || bytes->value > kMostCompareBytes.value)
    return absl::InvalidArgumentError(
        fmt::format("shadow.compare_bytes: \"{}\": must be from {} to {} bytes, as \"4Ki\"", policy.compare_bytes(),
                    kLeastCompareBytes.value, kMostCompareBytes.value));
  comparison.bytes = *bytes;
  return comparison;
}

}  // namespace gnomon::document
