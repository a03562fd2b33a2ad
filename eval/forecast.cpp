// Forecasts of the values after a file's end, and of rolling origins within one.

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "coordinator/forecast/forecaster.h"
#include "eval/command.h"
#include "eval/csv.h"
#include "eval/questions.h"

namespace gnomon::eval {
namespace {

using forecast::Forecaster;
using forecast::Seconds;

struct Files {
  std::string input, meta, out;
  int period = 24, horizon = 48;
};

// Rows are an hour apart where the season is a day of hours; the models only count steps.
Forecaster forecaster(int period, int horizon) {
  return Forecaster({.step = Seconds(1), .longest = Seconds(horizon), .season = period});
}

void write(CsvWriter& out, const std::string& key, int h, const forecast::Step& step) {
  out.write({key, std::to_string(h), to_field(step.yhat), to_field(step.lo), to_field(step.hi)});
}

absl::Status forecast_ends(const Files& files) {
  const auto csv = read_csv(files.input, Rows::kMayBeShort);
  if (!csv.ok()) return csv.status();
  CsvWriter out(files.out, {"id", "h", "yhat", "lo", "hi"});
  for (const Csv::Row& row : csv->rows) {
    Forecaster model = forecaster(files.period, files.horizon);
    std::size_t count = row.fields.size();
    while (count > 1 && (row.fields[count - 1].empty() || row.fields[count - 1] == "NA")) --count;
    if (count < 2) return csv->error(row, 1, "the series is empty");
    for (std::size_t i = 1; i < count; ++i) {
      const auto value = csv->number(row, i);
      if (!value.ok()) return value.status();
      model.observe(Seconds(static_cast<double>(i)), *value);
    }
    const forecast::Forecast future = model.forecast(files.horizon);
    for (int h = 1; h <= static_cast<int>(future.steps.size()); ++h)
      write(out, row.fields[0], h, future.steps[static_cast<std::size_t>(h - 1)]);
  }
  return out.close();
}

absl::Status forecast_rolling(const Files& files) {
  const auto csv = read_csv(files.input);
  if (!csv.ok()) return csv.status();
  const auto text = read_file(files.meta);
  if (!text.ok()) return text.status();
  const auto meta = parse_origins(*text, files.meta);
  if (!meta.ok()) return meta.status();
  const int longest = *std::max_element(meta->horizons.begin(), meta->horizons.end());
  Forecaster model = forecaster(meta->period, longest);
  CsvWriter out(files.out, {"origin", "h", "yhat", "lo", "hi"});
  std::size_t next = 0;
  for (std::size_t i = 0; i < csv->rows.size() && next < meta->origins.size(); ++i) {
    const auto value = csv->number(csv->rows[i], 1);
    if (!value.ok()) return value.status();
    model.observe(Seconds(static_cast<double>(i)), *value);
    if (static_cast<long>(i) != meta->origins[next]) continue;
    ++next;
    const forecast::Forecast future = model.forecast(longest);
    if (future.steps.empty()) return csv->error(csv->rows[i], 1, "an origin before the first value");
    // Nothing is said of a last row without a value: the forecast begins with that row itself.
    const int skip = static_cast<int>(static_cast<double>(i) + 1 - future.first.count());
    for (const int h : meta->horizons) {
      const int at = std::min(h + skip, static_cast<int>(future.steps.size())) - 1;
      write(out, std::to_string(i), h, future.steps[static_cast<std::size_t>(at)]);
    }
  }
  if (next < meta->origins.size())
    return absl::InvalidArgumentError(
        absl::StrCat(files.meta, ": origin ", meta->origins[next], " is no row of ", files.input));
  return out.close();
}

}  // namespace

void add_forecast(CLI::App& cli, Run& run) {
  CLI::App* command = cli.add_subcommand(
      "forecast",
      "Forecasts what follows each series' end: one series a row (id, then its values), 95% intervals.\n"
      "Writes id,h,yhat,lo,hi.\nExample: gnomon-eval forecast --train Hourly-train.csv --period 24 --horizon 48 --out "
      "F.csv");
  const auto files = std::make_shared<Files>();
  command->add_option("--train", files->input, "CSV of series, one a row")->required();
  command->add_option("--period", files->period, "Steps in a season")
      ->check(CLI::Range(2, kLongestPeriod))
      ->capture_default_str();
  command->add_option("--horizon", files->horizon, "Steps to forecast")
      ->check(CLI::Range(1, kLongestHorizon))
      ->capture_default_str();
  command->add_option("--out", files->out, "CSV to write")->required();
  command->callback([&run, files] {
    run = [files] {
      const absl::Status status = forecast_ends(*files);
      return status.ok() ? 0 : fail(status);
    };
  });
}

void add_rolling(CLI::App& cli, Run& run) {
  CLI::App* command = cli.add_subcommand(
      "rolling",
      "Forecasts from each of the origins that the meta file names, having seen the rows up to it and none after.\n"
      "Writes origin,h,yhat,lo,hi.\nExample: gnomon-eval rolling --series S.csv --meta S.meta.json --out F.csv");
  const auto files = std::make_shared<Files>();
  command->add_option("--series", files->input, "CSV of timestamp,value; an empty value is missing")->required();
  command->add_option("--meta", files->meta, "JSON with period, origins (rows from 0) and horizons (steps)")
      ->required();
  command->add_option("--out", files->out, "CSV to write")->required();
  command->callback([&run, files] {
    run = [files] {
      const absl::Status status = forecast_rolling(*files);
      return status.ok() ? 0 : fail(status);
    };
  });
}

}  // namespace gnomon::eval
