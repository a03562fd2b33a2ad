#pragma once
// The change points of series, in one file for all of them.

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "eval/csv.h"

namespace gnomon::eval {

class ChangesFile {
 public:
  // Writes series,timestamp,found,kind,before,after,surprise to `path`: when the change was and when it was seen.
  // `season`, in observations, is taken off first; 0: none is.
  ChangesFile(const std::string& path, std::size_t season);
  // What changed in one series, whose observations have these times, as they are to be written; NaN is missing.
  void add(const std::string& series, const std::vector<std::string>& times, const std::vector<double>& values);
  absl::Status close() { return writer_.close(); }

 private:
  CsvWriter writer_;
  std::size_t season_;
};

}  // namespace gnomon::eval
