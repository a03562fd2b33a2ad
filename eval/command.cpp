#include "eval/command.h"

#include <cstdio>

namespace gnomon::eval {

int fail(const absl::Status& status) {
  std::fprintf(stderr, "gnomon-eval: %s\n", std::string(status.message()).c_str());
  return kFailed;
}

int usage_error(const std::string& message) {
  std::fprintf(stderr, "gnomon-eval: %s\n", message.c_str());
  return kUsage;
}

}  // namespace gnomon::eval
