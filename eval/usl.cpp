// The scalability law's fit beside published fits.

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "coordinator/capacity/usl.h"
#include "eval/checks.h"
#include "eval/command.h"
#include "eval/csv.h"

namespace gnomon::eval {
namespace {

// Of the fit when a case's own least-squares fit says no more than this many digits.
constexpr double kDigits = 1e-3;
// A coherency this small changes no throughput: an optimiser's way of saying 0.
constexpr double kNothing = 1e-12;

void compare(Checks& checks, const std::string& name, const capacity::Usl& fit, const YAML::Node& fits,
             bool published) {
  const struct {
    const char* what;
    const capacity::Estimate& estimate;
  } parameters[] = {{"alpha", fit.alpha}, {"beta", fit.beta}, {"gamma", fit.gamma}};
  for (const auto& [what, estimate] : parameters) {
    if (!fits[what]) continue;
    double expected = fits[what].as<double>();
    if (std::abs(expected) < kNothing) expected = 0;
    const double printed = published ? printed_precision(fits[what].as<std::string>()) : 0;
    checks.near(absl::StrCat(name, " ", what, published ? " (published)" : " (reference fit)"), estimate.value,
                expected, std::max(kDigits, expected == 0 ? 0 : printed / std::abs(expected)));
    // The standard error, from the interval's width.
    const std::string error = absl::StrCat(what, "_se");
    if (!fits[error] || !(estimate.low > 0)) continue;
    const double t = capacity::student_t(fit.degrees_of_freedom, 0.95);
    checks.near(absl::StrCat(name, " ", error), (estimate.high - estimate.value) / t, fits[error].as<double>(),
                kDigits);
  }
}

absl::Status check_case(Checks& checks, const YAML::Node& item) {
  const auto name = item["name"].as<std::string>();
  const auto loads = item["load"].as<std::vector<double>>(), throughputs = item["throughput"].as<std::vector<double>>();
  if (loads.size() != throughputs.size())
    return absl::InvalidArgumentError(name + ": load and throughput differ in length");
  std::vector<capacity::Measurement> measurements;
  for (std::size_t i = 0; i < loads.size(); ++i) measurements.push_back({loads[i], throughputs[i]});
  const auto fit = capacity::fit_usl(measurements);
  if (!fit.ok()) return absl::InvalidArgumentError(absl::StrCat(name, ": ", std::string(fit.status().message())));
  if (item["published"] && item["published"].IsMap()) compare(checks, name, *fit, item["published"], true);
  if (item["our_fit"]) compare(checks, name, *fit, item["our_fit"], false);
  if (fit->peak_load)
    std::printf("    %s: peak at load %.6g (%.6g to %.6g), throughput %.6g\n", name.c_str(), fit->peak_load->value,
                fit->peak_load->low, fit->peak_load->high, *fit->peak_throughput);
  else
    std::printf("    %s: no peak shown\n", name.c_str());
  return absl::OkStatus();
}

int check(const std::string& path) {
  const auto text = read_file(path);
  if (!text.ok()) return fail(text.status());
  Checks checks;
  try {
    const YAML::Node root = YAML::Load(*text);  // JSON is YAML
    for (const YAML::Node& item : root.IsSequence() ? root : root["cases"])
      if (const auto status = check_case(checks, item); !status.ok()) return fail(status);
  } catch (const YAML::Exception& error) {
    return fail(absl::InvalidArgumentError(absl::StrCat(path, ": ", error.what())));
  }
  return checks.finish();
}

}  // namespace

void add_usl(CLI::App& cli, Run& run) {
  CLI::App* command = cli.add_subcommand(
      "usl",
      "Fits the universal scalability law to each case and prints it beside the fits the file has; fails when one "
      "is off.\nExample: gnomon-eval usl --cases usl_cases.json");
  const auto cases = std::make_shared<std::string>();
  command->add_option("--cases", *cases, "JSON of cases: name, load, throughput, published, our_fit")->required();
  command->callback([&run, cases] { run = [cases] { return check(*cases); }; });
}

}  // namespace gnomon::eval
