// Arbitrary bytes as the values that gnomon-eval reads: rows as wide as the header, numbers that are finite or missing
// and written again as they were read, errors that name the file.
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "eval/csv.h"

namespace {

using namespace gnomon::eval;

void require(bool condition) {
  if (!condition) std::abort();
}

void require_named(const absl::Status& status) {
  require(absl::IsInvalidArgument(status) && status.message().substr(0, 4) == "file");
}

void check_field(const Csv& csv, const Csv::Row& row, std::size_t field) {
  const auto number = csv.number(row, field), required = csv.required(row, field);
  if (!number.ok()) {
    require_named(number.status());
    require(!required.ok());
  } else if (std::isnan(*number)) {
    require_named(required.status());
    require(to_field(*number).empty());
  } else {
    require(std::isfinite(*number) && required.ok() && *required == *number);
    require(std::strtod(to_field(*number).c_str(), nullptr) == *number);
  }
  const auto time = parse_time(row.fields[field]);
  require(!time.ok() || std::isfinite(*time));
}

void check(std::string_view text, Rows rows) {
  const auto csv = parse_csv(text, "file", rows);
  if (!csv.ok()) return require_named(csv.status());
  require(!csv->header.empty());
  for (const std::string& title : csv->header) require(csv->column(title).ok());
  std::size_t before = 0;
  for (const Csv::Row& row : csv->rows) {
    require(row.line > before);
    before = row.line;
    require(row.fields.size() <= csv->header.size());
    require(rows == Rows::kMayBeShort || row.fields.size() == csv->header.size());
    for (std::size_t field = 0; field < row.fields.size(); ++field) check_field(*csv, row, field);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(text, Rows::kFull);
  check(text, Rows::kMayBeShort);
  return 0;
}
