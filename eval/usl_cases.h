#pragma once
// Measurements of throughput under load with fits of the scalability law that others made, as a file has them.

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "coordinator/capacity/usl.h"

namespace gnomon::eval {

// What a fit says of one of the law's parameters; nothing where it says nothing of it.
struct FittedParameter {
  std::optional<double> value, standard_error;
  double precision = 0;  // half a unit of the last digit of `value`
};

struct UslFit {
  FittedParameter alpha, beta, gamma;
};

struct UslCase {
  std::string name;
  std::vector<capacity::Measurement> measurements;
  std::optional<UslFit> published, reference;
};

// A JSON list of objects with name, load, throughput and, as far as there are any, the fits published and our_fit; or
// an object with that list as its cases. All numbers are finite. InvalidArgument "<name>: <what>".
absl::StatusOr<std::vector<UslCase>> parse_usl_cases(const std::string& text, const std::string& name);

}  // namespace gnomon::eval
