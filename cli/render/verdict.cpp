#include "cli/render/verdict.h"

#include "cli/render/table.h"
#include "cli/render/text.h"
#include "fmt/format.h"

namespace gnomon::cli {
namespace {

std::string colored(v1::Outcome outcome, const std::string& text, bool color) {
  if (!color) return text;
  const char* code = outcome == v1::OUTCOME_AS_EXPECTED ? "32" : outcome == v1::OUTCOME_ANOMALY ? "31" : "33";
  return fmt::format("\x1b[1;{}m{}\x1b[0m", code, text);
}

}  // namespace

std::string verdict_text(const v1::Verdict& verdict, bool color) {
  Table table({"METRIC", "CONTROL", "TREATMENT", "SHIFT", "95% INTERVAL", "EXPECTED", "OUTCOME"});
  table.right({1, 2, 3, 5});
  for (const v1::MetricVerdict& metric : verdict.metrics()) {
    const std::string& unit = metric.unit();
    table.add({metric_name(metric.metric()), format_metric(unit, metric.control()),
               format_metric(unit, metric.treatment()), format_shift(unit, metric.shift()),
               fmt::format("{} to {}", format_shift(unit, metric.shift_low()), format_shift(unit, metric.shift_high())),
               format_shift(unit, metric.expected_shift()), outcome_name(metric.outcome())});
  }
  std::string out = verdict.metrics_size() > 0 ? table.render() + "\n" : "";
  for (const v1::MetricVerdict& metric : verdict.metrics())
    if (metric.outcome() != v1::OUTCOME_AS_EXPECTED && !metric.reason().empty())
      out += fmt::format("{}: {}\n", metric_name(metric.metric()), printable(metric.reason()));
  out += "verdict: " + colored(verdict.outcome(), outcome_name(verdict.outcome()), color);
  if (!verdict.summary().empty()) out += ". " + printable(verdict.summary());
  return out + "\n";
}

std::string failure_text(const v1::Session& session) {
  const v1::SessionStatus& status = session.status();
  std::string out = fmt::format("session {} {}: {}\n", printable(session.id()), state_name(status.state()),
                                status.message().empty() ? "no reason was given" : printable(status.message()));
  if (status.log_tail_size() > 0) out += "the shadow's last lines:\n";
  for (const std::string& line : status.log_tail()) out += "  " + printable(line) + "\n";
  return out;
}

}  // namespace gnomon::cli
