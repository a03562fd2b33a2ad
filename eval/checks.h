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

// Half a unit of the last digit of a number as it was printed ("0.00163": 5e-6).
double printed_precision(const std::string& printed);

}  // namespace gnomon::eval
