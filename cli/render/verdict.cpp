#include "cli/render/verdict.h"

#include <algorithm>
#include <cctype>

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

// The outcome is said once: a summary that begins with it goes on from there.
std::string verdict_sentence(const v1::Verdict& verdict, bool color) {
  const std::string outcome = outcome_name(verdict.outcome()), summary = printable(verdict.summary());
  const auto same = [](char one, char other) { return std::tolower(static_cast<unsigned char>(one)) == other; };
  const bool begins_with_it =
      summary.size() >= outcome.size() && std::equal(outcome.begin(), outcome.end(), summary.begin(),
                                                     [&](char word, char text) { return same(text, word); });
  std::string text = "verdict: " + colored(verdict.outcome(), outcome, color);
  if (begins_with_it) return text + summary.substr(outcome.size());
  return summary.empty() ? text : text + ". " + summary;
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
  return out + verdict_sentence(verdict, color) + "\n";
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
