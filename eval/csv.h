#pragma once
// Comma-separated values with a header line, read strictly: every error names the file, the line and the field.

#include <cstddef>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace gnomon::eval {

// Whether a row may have fewer fields than the header (M4's series have different lengths).
enum class Rows { kFull, kMayBeShort };

struct Csv {
  struct Row {
    std::size_t line = 0;  // in the file, from 1
    std::vector<std::string> fields;
  };
  std::string name;  // of the file, for errors
  std::vector<std::string> header;
  std::vector<Row> rows;

  // The index of a column of the header; an error that lists what there is.
  absl::StatusOr<std::size_t> column(std::string_view title) const;

  // A finite number. An empty field or NA is NaN: a value that is missing.
  absl::StatusOr<double> number(const Row& row, std::size_t field) const;
  // A number that may not be missing.
  absl::StatusOr<double> required(const Row& row, std::size_t field) const;

  // InvalidArgument "<name>:<line>: field <field> (<title>): <what>".
  absl::Status error(const Row& row, std::size_t field, const std::string& what) const;
};

// Fields may be in double quotes ("" inside is one); a field does not go over a line's end. Empty lines are skipped.
absl::StatusOr<Csv> parse_csv(std::string_view text, const std::string& name, Rows rows = Rows::kFull);
absl::StatusOr<Csv> read_csv(const std::string& path, Rows rows = Rows::kFull);

// The bytes of a file; NotFound or Internal names it.
absl::StatusOr<std::string> read_file(const std::string& path);

// "2018-04-25 00:05:00", with or without seconds or a T between, or a number of seconds: seconds since 1970, UTC.
absl::StatusOr<double> parse_time(std::string_view text);

// Writes rows as they come; close() says whether all of them arrived.
class CsvWriter {
 public:
  CsvWriter(const std::string& path, const std::vector<std::string>& header);
  void write(const std::vector<std::string>& fields);
  absl::Status close();

 private:
  std::string path_;
  std::ofstream file_;
};

// The shortest text that reads back as `value`; empty for NaN.
std::string to_field(double value);

}  // namespace gnomon::eval
