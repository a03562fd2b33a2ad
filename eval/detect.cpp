#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <vector>

#include "coordinator/detect/detector.h"
#include "eval/changes.h"
#include "eval/command.h"
#include "eval/csv.h"

namespace gnomon::eval {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestSeason = 100'000;

struct Asked {
  std::string in, out, changes;  // changes: no file if empty
  std::size_t season = 0;        // for the changes
};

struct Totals {
  std::size_t files = 0, rows = 0;
  double spent = 0;  // seconds of computing
};

// Of this thread, as what else runs on the machine is no cost of the model's.
double computed() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

struct Series {
  std::vector<std::string> written;  // the times, as the file has them
  std::vector<double> times, values;
};

// A value that is no finite number is missing; a time that cannot be read is an error.
absl::StatusOr<Series> read_series(const fs::path& in) {
  auto csv = read_csv(in.string());
  if (!csv.ok()) return csv.status();
  const auto time_column = csv->column("timestamp"), value_column = csv->column("value");
  if (!time_column.ok()) return time_column.status();
  if (!value_column.ok()) return value_column.status();
  Series series;
  for (const auto& row : csv->rows) {
    const auto time = parse_time(row.fields[*time_column]);
    if (!time.ok()) return csv->error(row, *time_column, std::string(time.status().message()));
    const auto value = csv->number(row, *value_column);
    if (!value.ok()) return value.status();
    series.written.push_back(row.fields[*time_column]);
    series.times.push_back(*time);
    series.values.push_back(*value);
  }
  return series;
}

absl::Status write_scores(const Series& series, const fs::path& out, Totals& totals) {
  std::vector<double> scores;
  detect::Detector detector;
  const double start = computed();
  for (std::size_t i = 0; i < series.values.size(); ++i)
    scores.push_back(detector.push(series.times[i], series.values[i]).score);
  totals.spent += computed() - start;
  CsvWriter writer(out.string(), {"timestamp", "anomaly_score"});
  for (std::size_t i = 0; i < scores.size(); ++i) writer.write({series.written[i], to_field(scores[i])});
  ++totals.files;
  totals.rows += scores.size();
  return writer.close();
}

absl::Status detect_all(const Asked& asked, Totals& totals) {
  const fs::path in = asked.in;
  std::optional<ChangesFile> changes;
  if (!asked.changes.empty()) changes.emplace(asked.changes, asked.season);
  std::error_code error;
  fs::recursive_directory_iterator files(in, error);
  if (error) return absl::NotFoundError(in.string() + ": " + error.message());
  for (; files != fs::recursive_directory_iterator(); files.increment(error)) {
    if (error) return absl::InternalError(in.string() + ": " + error.message());
    if (!files->is_regular_file(error) || files->path().extension() != ".csv") continue;
    const fs::path relative = fs::relative(files->path(), in, error), target = asked.out / relative;
    fs::create_directories(target.parent_path(), error);
    if (error) return absl::InternalError(target.parent_path().string() + ": " + error.message());
    const auto series = read_series(files->path());
    if (!series.ok()) return series.status();
    if (auto status = write_scores(*series, target, totals); !status.ok()) return status;
    if (changes) changes->add(relative.string(), series->written, series->values);
  }
  if (totals.files == 0) return absl::NotFoundError(in.string() + ": no .csv file in it");
  return changes ? changes->close() : absl::OkStatus();
}

int detect(const Asked& asked) {
  Totals totals;
  if (auto status = detect_all(asked, totals); !status.ok()) return fail(status);
  std::printf("%zu files, %zu rows, %.2f us a row\n", totals.files, totals.rows,
              totals.rows > 0 ? 1e6 * totals.spent / static_cast<double>(totals.rows) : 0);
  return 0;
}

}  // namespace

void add_detect(CLI::App& cli, Run& run) {
  auto* command = cli.add_subcommand("detect", "Anomaly scores of series, each row judged by those before it");
  auto asked = std::make_shared<Asked>();
  command->add_option("--in", asked->in, "Directory of timestamp,value files")->required();
  command->add_option("--out", asked->out, "Directory for timestamp,anomaly_score files of the same names")->required();
  command->add_option("--changes", asked->changes,
                      "File for lasting changes of level or spread: series,timestamp,found,kind,before,after,surprise");
  command
      ->add_option("--season", asked->season, "Observations in a season, which is no change (288: a day of 5 minutes)")
      ->check(CLI::Range(std::size_t{2}, kLongestSeason))
      ->needs("--changes");
  command->callback([asked, &run] { run = [asked] { return detect(*asked); }; });
}

}  // namespace gnomon::eval
