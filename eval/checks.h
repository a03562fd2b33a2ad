#pragma once
// What a model computes beside what a file of cases says, one line each.

#include <string>

namespace gnomon::eval {

class Checks {
 public:
  // `tolerance` is relative to `expected`; expected values of 0 are compared as they are.
  void near(const std::string& what, double computed, double expected, double tolerance);
  // Prints how many there were and how many were off; the exit status.
  int finish() const;

 private:
  int made_ = 0, off_ = 0;
};

}  // namespace gnomon::eval
