#include "eval/checks.h"

#include <cmath>
#include <cstdio>

#include "eval/command.h"

namespace gnomon::eval {

void Checks::near(const std::string& what, double computed, double expected, double tolerance) {
  const double error = std::abs(computed - expected) / (expected == 0 ? 1 : std::abs(expected));
  const bool good = error <= tolerance;
  ++made_;
  off_ += !good;
  std::printf("%s %-52s %-22.15g expected %-22.15g error %.1e\n", good ? "ok " : "OFF", what.c_str(), computed,
              expected, error);
}

int Checks::finish() const {
  std::printf("%d values, %d off\n", made_, off_);
  return off_ == 0 && made_ > 0 ? 0 : kFailed;
}

}  // namespace gnomon::eval
