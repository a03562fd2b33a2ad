#include "eval/csv.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace gnomon::eval {
namespace {

// The fields of one line; nothing if a quote stays open or text follows a closing quote.
std::optional<std::vector<std::string>> split(std::string_view line) {
  std::vector<std::string> fields;
  std::size_t at = 0;
  while (true) {
    std::string field;
    if (at < line.size() && line[at] == '"') {
      for (++at; at < line.size(); ++at) {
        if (line[at] != '"') {
          field += line[at];
        } else if (at + 1 < line.size() && line[at + 1] == '"') {
          field += line[++at];
        } else {
          break;
        }
      }
      if (at++ == line.size() || (at < line.size() && line[at] != ',')) return std::nullopt;
    } else {
      const std::size_t end = std::min(line.find(',', at), line.size());
      field = line.substr(at, end - at);
      at = end;
    }
    fields.push_back(std::move(field));
    if (at >= line.size()) return fields;
    ++at;
  }
}

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

// Digits at `at`, exactly `width` of them.
std::optional<int> digits(std::string_view text, std::size_t at, std::size_t width) {
  if (at + width > text.size()) return std::nullopt;
  int value = 0;
  for (std::size_t i = at; i < at + width; ++i) {
    if (text[i] < '0' || text[i] > '9') return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

}  // namespace

absl::StatusOr<std::size_t> Csv::column(std::string_view title) const {
  for (std::size_t i = 0; i < header.size(); ++i)
    if (header[i] == title) return i;
  return absl::InvalidArgumentError(
      absl::StrCat(name, ":1: no column '", std::string(title), "'; there are: ", absl::StrJoin(header, ", ")));
}

absl::StatusOr<double> Csv::number(const Row& row, std::size_t field) const {
  if (field >= row.fields.size()) return std::numeric_limits<double>::quiet_NaN();
  const std::string& text = row.fields[field];
  if (text.empty() || text == "NA") return std::numeric_limits<double>::quiet_NaN();
  if (const auto value = parse_number(text)) return *value;
  return error(row, field, absl::StrCat("'", text, "' is not a finite number"));
}

absl::StatusOr<double> Csv::required(const Row& row, std::size_t field) const {
  const absl::StatusOr<double> value = number(row, field);
  if (value.ok() && std::isnan(*value)) return error(row, field, "a number is missing");
  return value;
}

absl::Status Csv::error(const Row& row, std::size_t field, const std::string& what) const {
  const std::string title = field < header.size() ? absl::StrCat(" (", header[field], ")") : "";
  return absl::InvalidArgumentError(absl::StrCat(name, ":", row.line, ": field ", field + 1, title, ": ", what));
}

absl::StatusOr<Csv> parse_csv(std::string_view text, const std::string& name, Rows rows) {
  Csv csv;
  csv.name = name;
  std::size_t line_number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1;
    ++line_number;
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) continue;
    auto fields = split(line);
    if (!fields) return absl::InvalidArgumentError(absl::StrCat(name, ":", line_number, ": a quote is not closed"));
    if (csv.header.empty()) {
      csv.header = *std::move(fields);
      continue;
    }
    const bool fits = rows == Rows::kFull ? fields->size() == csv.header.size() : fields->size() <= csv.header.size();
    if (!fits) {
      return absl::InvalidArgumentError(absl::StrCat(name, ":", line_number, ": ", fields->size(),
                                                     " fields, while the header has ", csv.header.size()));
    }
    csv.rows.push_back({line_number, *std::move(fields)});
  }
  if (csv.header.empty()) return absl::InvalidArgumentError(absl::StrCat(name, ": empty; a header line is expected"));
  return csv;
}

absl::StatusOr<Csv> read_csv(const std::string& path, Rows rows) {
  const auto text = read_file(path);
  if (!text.ok()) return text.status();
  return parse_csv(*text, path, rows);
}

absl::StatusOr<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be opened for reading"));
  std::ostringstream text;
  text << file.rdbuf();
  if (text.bad() || file.bad()) return absl::InternalError(absl::StrCat(path, ": reading failed"));
  return text.str();
}

absl::StatusOr<double> parse_time(std::string_view text) {
  if (const auto seconds = parse_number(text)) return *seconds;
  const auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2),
             hour = digits(text, 11, 2), minute = digits(text, 14, 2);
  const bool with_seconds = text.size() > 16;
  const auto second = with_seconds ? digits(text, 17, 2) : 0;
  bool valid = year && month && day && hour && minute && second && text[4] == '-' && text[7] == '-' &&
               (text[10] == ' ' || text[10] == 'T') && text[13] == ':' && (!with_seconds || text[16] == ':') &&
               (text.size() == 16 || text.size() == 19 || (text.size() == 20 && text[19] == 'Z'));
  if (valid) {
    using namespace std::chrono;
    const year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                              std::chrono::day(static_cast<unsigned>(*day))};
    if (date.ok() && *hour < 24 && *minute < 60 && *second < 60)
      return sys_days(date).time_since_epoch().count() * 86400.0 + *hour * 3600.0 + *minute * 60.0 + *second;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "'", std::string(text), "' is not a time; one looks like 2018-04-25 00:05:00 or a number of seconds"));
}

CsvWriter::CsvWriter(const std::string& path, const std::vector<std::string>& header) : path_(path), file_(path) {
  write(header);
}

void CsvWriter::write(const std::vector<std::string>& fields) {
  file_ << absl::StrJoin(fields, ",") << '\n';
}

absl::Status CsvWriter::close() {
  file_.close();
  if (file_) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(path_, ": cannot be written"));
}

std::string to_field(double value) {
  if (std::isnan(value)) return "";
  std::array<char, 32> text;
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), result.ptr};
}

}  // namespace gnomon::eval
