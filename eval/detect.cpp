#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include "coordinator/detect/detector.h"
#include "eval/command.h"
#include "eval/csv.h"

namespace gnomon::eval {
namespace {

namespace fs = std::filesystem;

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

// A value that is no finite number is missing; a time that cannot be read is an error.
absl::Status detect_file(const fs::path& in, const fs::path& out, Totals& totals) {
  auto csv = read_csv(in.string());
  if (!csv.ok()) return csv.status();
  const auto time_column = csv->column("timestamp"), value_column = csv->column("value");
  if (!time_column.ok()) return time_column.status();
  if (!value_column.ok()) return value_column.status();
  std::vector<std::pair<double, double>> series;
  for (const auto& row : csv->rows) {
    const auto time = parse_time(row.fields[*time_column]);
    if (!time.ok()) return csv->error(row, *time_column, std::string(time.status().message()));
    const auto value = csv->number(row, *value_column);
    if (!value.ok()) return value.status();
    series.emplace_back(*time, *value);
  }
  std::vector<double> scores;
  detect::Detector detector;
  const double start = computed();
  for (const auto& [time, value] : series) scores.push_back(detector.push(time, value).score);
  totals.spent += computed() - start;
  CsvWriter writer(out.string(), {"timestamp", "anomaly_score"});
  for (std::size_t i = 0; i < scores.size(); ++i)
    writer.write({csv->rows[i].fields[*time_column], to_field(scores[i])});
  ++totals.files;
  totals.rows += csv->rows.size();
  return writer.close();
}

absl::Status detect_all(const fs::path& in, const fs::path& out, Totals& totals) {
  std::error_code error;
  fs::recursive_directory_iterator files(in, error);
  if (error) return absl::NotFoundError(in.string() + ": " + error.message());
  for (; files != fs::recursive_directory_iterator(); files.increment(error)) {
    if (error) return absl::InternalError(in.string() + ": " + error.message());
    if (!files->is_regular_file(error) || files->path().extension() != ".csv") continue;
    const fs::path target = out / fs::relative(files->path(), in, error);
    fs::create_directories(target.parent_path(), error);
    if (error) return absl::InternalError(target.parent_path().string() + ": " + error.message());
    if (auto status = detect_file(files->path(), target, totals); !status.ok()) return status;
  }
  if (totals.files == 0) return absl::NotFoundError(in.string() + ": no .csv file in it");
  return absl::OkStatus();
}

int detect(const std::string& in, const std::string& out) {
  Totals totals;
  if (auto status = detect_all(in, out, totals); !status.ok()) return fail(status);
  std::printf("%zu files, %zu rows, %.2f us a row\n", totals.files, totals.rows,
              totals.rows > 0 ? 1e6 * totals.spent / static_cast<double>(totals.rows) : 0);
  return 0;
}

}  // namespace

void add_detect(CLI::App& cli, Run& run) {
  auto* command = cli.add_subcommand("detect", "Anomaly scores of series, each row judged by those before it");
  struct Paths {
    std::string in, out;
  };
  auto paths = std::make_shared<Paths>();
  command->add_option("--in", paths->in, "Directory of timestamp,value files")->required();
  command->add_option("--out", paths->out, "Directory for timestamp,anomaly_score files of the same names")->required();
  command->callback([paths, &run] { run = [paths] { return detect(paths->in, paths->out); }; });
}

}  // namespace gnomon::eval
