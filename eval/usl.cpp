// The scalability law's fit beside published fits.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"
#include "coordinator/capacity/usl.h"
#include "eval/checks.h"
#include "eval/command.h"
#include "eval/csv.h"
#include "eval/usl_cases.h"

namespace gnomon::eval {
namespace {

// Of the fit when a case's own least-squares fit says no more than this many digits.
constexpr double kDigits = 1e-3;
// A coherency this small changes no throughput: an optimiser's way of saying 0.
constexpr double kNothing = 1e-12;

void compare(Checks& checks, const std::string& name, const capacity::Usl& fit, const UslFit& fits, bool published) {
  const struct {
    const char* what;
    const capacity::Estimate& estimate;
    const FittedParameter& fitted;
  } parameters[] = {{"alpha", fit.alpha, fits.alpha}, {"beta", fit.beta, fits.beta}, {"gamma", fit.gamma, fits.gamma}};
  for (const auto& [what, estimate, fitted] : parameters) {
    if (!fitted.value) continue;
    const double expected = std::abs(*fitted.value) < kNothing ? 0 : *fitted.value;
    const double printed = published && expected != 0 ? fitted.precision / std::abs(expected) : 0;
    checks.near(absl::StrCat(name, " ", what, published ? " (published)" : " (reference fit)"), estimate.value,
                expected, std::max(kDigits, printed));
    // The standard error, from the interval's width.
    if (!fitted.standard_error || !(estimate.low > 0)) continue;
    const double t = capacity::student_t(fit.degrees_of_freedom, 0.95);
    checks.near(absl::StrCat(name, " ", what, "_se"), (estimate.high - estimate.value) / t, *fitted.standard_error,
                kDigits);
  }
}

absl::Status check_case(Checks& checks, const UslCase& one) {
  const auto fit = capacity::fit_usl(one.measurements);
  if (!fit.ok()) return absl::InvalidArgumentError(absl::StrCat(one.name, ": ", std::string(fit.status().message())));
  if (one.published) compare(checks, one.name, *fit, *one.published, true);
  if (one.reference) compare(checks, one.name, *fit, *one.reference, false);
  if (fit->peak_load)
    std::printf("    %s: peak at load %.6g (%.6g to %.6g), throughput %.6g\n", one.name.c_str(), fit->peak_load->value,
                fit->peak_load->low, fit->peak_load->high, *fit->peak_throughput);
  else
    std::printf("    %s: no peak shown\n", one.name.c_str());
  return absl::OkStatus();
}

int check(const std::string& path) {
  const auto text = read_file(path);
  if (!text.ok()) return fail(text.status());
  const auto cases = parse_usl_cases(*text, path);
  if (!cases.ok()) return fail(cases.status());
  Checks checks;
  for (const UslCase& one : *cases)
    if (const auto status = check_case(checks, one); !status.ok()) return fail(status);
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
