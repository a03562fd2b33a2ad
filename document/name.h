#pragma once
// Names of services: they become part of ids, file names and metric labels.

#include <string_view>

#include "common/status.h"

namespace gnomon::document {

// 1 to 63 letters, digits, '.', '_' and '-', a letter or digit first. The caller puts the field's name before the
// error.
absl::Status check_name(std::string_view name);

}  // namespace gnomon::document
