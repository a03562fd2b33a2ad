#include <chrono>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>

#include "coordinator/detect/detector.h"
#include "eval/command.h"
#include "eval/csv.h"

namespace gnomon::eval {
namespace {

namespace fs = std::filesystem;

struct Totals {
  std::size_t files = 0, rows = 0;
  std::chrono::steady_clock::duration spent{};
};

// A value that is no finite number is missing; a time that cannot be read is an error.
absl::Status detect_file(const fs::path& in, const fs::path& out, Totals& totals) {
  auto csv = read_csv(in.string());
  if (!csv.ok()) return csv.status();
  const auto time_column = csv->column("timestamp"), value_column = csv->column("value");
  if (!time_column.ok()) return time_column.status();
  if (!value_column.ok()) return value_column.status();
  CsvWriter writer(out.string(), {"timestamp", "anomaly_score"});
  detect::Detector detector;
  for (const auto& row : csv->rows) {
    const auto time = parse_time(row.fields[*time_column]);
    if (!time.ok()) return csv->error(row, *time_column, std::string(time.status().message()));
    const auto value = csv->number(row, *value_column);
    if (!value.ok()) return value.status();
    const auto start = std::chrono::steady_clock::now();
    const detect::Anomaly anomaly = detector.push(*time, *value);
    totals.spent += std::chrono::steady_clock::now() - start;
    writer.write({row.fields[*time_column], to_field(anomaly.score)});
  }
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
  const double spent = std::chrono::duration<double, std::micro>(totals.spent).count();
  std::printf("%zu files, %zu rows, %.2f us a row\n", totals.files, totals.rows,
              totals.rows > 0 ? spent / static_cast<double>(totals.rows) : 0);
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
