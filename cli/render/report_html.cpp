#include "cli/render/report_html.h"

#include <algorithm>

#include "cli/render/cost.h"
#include "cli/render/html.h"
#include "cli/render/report_series.h"
#include "cli/render/report_style.h"
#include "cli/render/responses.h"
#include "cli/render/text.h"
#include "fmt/format.h"

namespace gnomon::cli {
namespace {

constexpr std::size_t kMaxPoints = 400;

const char* css_class(v1::Outcome outcome) {
  return outcome == v1::OUTCOME_AS_EXPECTED ? "good" : outcome == v1::OUTCOME_ANOMALY ? "bad" : "unsure";
}

std::string headline(const v1::Session& session) {
  if (session.has_verdict()) {
    std::string name = outcome_name(session.verdict().outcome());
    name[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(name[0])));
    return name;
  }
  return "No verdict: " + state_name(session.status().state());
}

std::string fact(const std::string& name, const std::string& value) {
  return fmt::format("<div><dt>{}</dt><dd>{}</dd></div>\n", escape_html(name),
                     escape_html(value.empty() ? "-" : value));
}

std::string head(const SessionView& view) {
  const v1::Session& session = view.session();
  const v1::SessionStatus& status = session.status();
  const std::string summary = session.has_verdict() ? session.verdict().summary() : status.message();
  std::string out = fmt::format(
      "<header>\n<div class='brand'>Gnomon &middot; shadow of {}</div>\n<h1 class='{}'>{}</h1>\n<p "
      "class='summary'>{}</p>\n"
      "</header>\n<section>\n<dl class='facts'>\n",
      escape_html(session.service()), css_class(session.verdict().outcome()), escape_html(headline(session)),
      escape_html(summary));
  out += fact("Session", session.id()) + fact("Node", session.node());
  out += fact("Started (UTC)", format_time(session.created_unix_ms()));
  out += fact("Measured", format_duration(std::chrono::milliseconds(view.progress().done_ms())) + " of " +
                              format_duration(std::chrono::milliseconds(view.progress().planned_ms())) + ", and " +
                              format_duration(std::chrono::milliseconds(view.progress().besides_ms())) + " besides");
  out +=
      fact("Shadow's CPU limit", status.shadow_cpu_milli() > 0 ? format_cpu(MilliCpu{status.shadow_cpu_milli()}) : "");
  out += fact("Shadow's memory limit",
              status.shadow_memory_bytes() > 0 ? format_bytes(Bytes{status.shadow_memory_bytes()}) : "");
  out += fact("Sampled requests", format_fraction(Fraction{status.sampled_fraction()}));
  out += fact("Noise by", status.noise_engine());
  if (const std::string cost = production_cost(status); !cost.empty()) out += fact("Cost", cost);
  if (const std::string more = production_throttling(status); !more.empty()) out += fact("Throttling and loss", more);
  if (!status.warm_up().empty()) out += fact("Warm-up", status.warm_up());
  return out + "</dl>\n</section>\n";
}

// Where the measured shift lies: zero, what was expected with its tolerance, and the 95% interval.
std::string interval_picture(const v1::MetricVerdict& metric) {
  const double expected = metric.expected_shift(), most = expected + metric.tolerance();
  double low = std::min({0.0, metric.shift_low(), expected}), high = std::max({0.0, metric.shift_high(), most});
  const double margin = high > low ? (high - low) * 0.08 : 1;
  low -= margin;
  high += margin;
  const auto x = [&](double value) { return 190 * (value - low) / (high - low); };
  // Anything up to expected + tolerance is as expected: the band begins at the left edge.
  return fmt::format(
      "<svg viewBox='0 0 190 26' role='img' aria-label='shift with its 95% interval'>"
      "<rect class='allowed' x='0' y='4' width='{:.1f}' height='18' rx='3'/>"
      "<line class='zero' x1='{:.1f}' x2='{:.1f}' y1='2' y2='24'/>"
      "<line class='interval' x1='{:.1f}' x2='{:.1f}' y1='13' y2='13'/><circle class='dot' cx='{:.1f}' cy='13' "
      "r='4.5'/></svg>",
      x(most), x(0), x(0), x(metric.shift_low()), x(metric.shift_high()), x(metric.shift()));
}

std::string metric_row(const v1::MetricVerdict& metric) {
  const std::string& unit = metric.unit();
  const auto number = [](const std::string& text) {
    return fmt::format("<td class='number'>{}</td>", escape_html(text));
  };
  std::string out = fmt::format("<tr><td>{}</td>", escape_html(metric_name(metric.metric())));
  out += number(format_metric(unit, metric.control())) + number(format_metric(unit, metric.treatment()));
  out += number(format_shift(unit, metric.shift()));
  out += number(format_shift(unit, metric.shift_low()) + " to " + format_shift(unit, metric.shift_high()));
  out += number(format_shift(unit, metric.expected_shift()));
  out += fmt::format("<td class='{0}'>{1}</td><td class='{0}'><span class='pill'>{2}</span></td></tr>\n",
                     css_class(metric.outcome()), interval_picture(metric), outcome_name(metric.outcome()));
  if (metric.outcome() != v1::OUTCOME_AS_EXPECTED && !metric.reason().empty())
    out += fmt::format("<tr><td></td><td class='reason' colspan='7'>{}</td></tr>\n", escape_html(metric.reason()));
  return out;
}

std::string verdict_section(const v1::Verdict& verdict) {
  std::string out =
      "<section>\n<h2>Control against treatment</h2>\n<p>Control: the shadow at production's own load per capacity, no "
      "noise. Treatment: the profile. The shift is the mean difference over pairs of blocks. Green ground: up to what "
      "the "
      "profile predicts, plus the tolerance.</p>\n<div class='wide'><table>\n<tr><th>Metric</th><th "
      "class='number'>Control</th><th class='number'>Treatment</th><th class='number'>Shift</th><th class='number'>95% "
      "interval</th><th class='number'>Expected</th><th></th><th>Outcome</th></tr>\n";
  for (const v1::MetricVerdict& metric : verdict.metrics()) out += metric_row(metric);
  return out + "</table></div>\n</section>\n";
}

std::string failure_section(const v1::SessionStatus& status) {
  std::string lines;
  for (const std::string& line : status.log_tail()) lines += escape_html(line) + "\n";
  return lines.empty() ? "" : "<section>\n<h2>The shadow&#39;s last lines</h2>\n<pre>" + lines + "</pre>\n</section>\n";
}

std::string egress_section(const v1::SessionStatus& status) {
  if (status.egress().empty()) return "";
  std::string out =
      "<section>\n<h2>What the shadow wanted to reach</h2>\n<div class='wide'><table>\n<tr><th>Destination</th>"
      "<th>By</th><th class='number'>Times</th><th>It was</th></tr>\n";
  for (const v1::EgressAttempt& attempt : status.egress())
    out += fmt::format("<tr><td>{}</td><td>{}</td><td class='number'>{}</td><td>{}</td></tr>\n",
                       attempt.destination() == "*" ? "anything" : escape_html(attempt.destination()),
                       escape_html(attempt.transport()), attempt.attempts(), escape_html(attempt.action()));
  return out + "</table></div>\n</section>\n";
}

std::string responses_section(const v1::SessionStatus& status) {
  const std::string summary = responses_summary(status);
  if (summary.empty()) return "";
  std::string out = fmt::format("<section>\n<h2>The shadow&#39;s responses against production&#39;s</h2>\n<p>{}</p>\n",
                                escape_html(summary));
  const auto rows = response_rows(status);
  if (rows.empty()) return out + "</section>\n";
  out +=
      "<div class='wide'><table>\n<tr><th>Responses to</th><th class='number'>Same</th><th class='number'>Other "
      "status</th><th class='number'>Other size</th><th class='number'>Other body</th><th>Not compared</th></tr>\n";
  for (const ResponseRow& row : rows) {
    out += fmt::format("<tr><td>{}</td>", escape_html(row.endpoint));
    for (const std::uint64_t count : {row.same, row.other_status, row.other_size, row.other_body})
      out += fmt::format("<td class='number'>{}</td>", count);
    out += fmt::format("<td>{}</td></tr>\n", escape_html(row.not_compared));
  }
  out += "</table></div>\n";
  for (const std::string& note : response_notes(status)) out += fmt::format("<p>{}</p>\n", escape_html(note));
  return out + "</section>\n";
}

std::string charts_section(const SessionView& view) {
  std::string out =
      "<section>\n<h2>Over time</h2>\n<div class='legend'><span><span class='swatch control'></span>control "
      "block</span>"
      "<span><span class='swatch treatment'></span>treatment block</span></div>\n";
  for (const Chart& chart : report_charts(view, kMaxPoints)) out += render_chart(chart);
  return out + "</section>\n";
}

std::string counters_section(const SessionView& view) {
  const std::string lost = describe_losses(view.tap(), view.replay());
  std::string out = fmt::format(
      "<section>\n<h2>Where captured requests went</h2>\n<p>{}</p>\n<div class='wide'><table>\n<tr><th>Counter</th><th "
      "class='number'>Count</th><th>What it says</th></tr>\n",
      lost.empty() ? std::string("Nothing was lost.") : "Not all arrived: " + escape_html(lost) + ".");
  for (const CounterRow& row : counter_rows(view.tap(), view.replay()))
    out += fmt::format("<tr><td>{}</td><td class='number{}'>{}</td><td class='reason'>{}</td></tr>\n",
                       escape_html(row.name), row.loss && row.count > 0 ? " bad" : "", row.count,
                       escape_html(row.meaning));
  if (view.undecodable_samples() > 0)
    out += fmt::format(
        "<tr><td>unreadable samples</td><td class='number bad'>{}</td><td class='reason'>measurements this "
        "program could not decode</td></tr>\n",
        view.undecodable_samples());
  return out + "</table></div>\n</section>\n";
}

std::string method_section(const v1::Session& session) {
  int pairs = 0;
  for (const v1::Block& block : session.spec().blocks()) pairs = std::max(pairs, block.pair() + 1);
  return fmt::format(
      "<section>\n<h2>How it was measured</h2>\n<p>A copy of the live process ran beside it: same program, arguments, "
      "environment and files, in namespaces and a control group of its own, with no network but the replayer. The "
      "kernel "
      "copied the requests of a random sample of production&#39;s connections; production was never proxied, paused or "
      "waited "
      "for. The copies were replayed open loop: each is due when its original came, whether or not the shadow keeps "
      "up, and "
      "its response time counts from then.</p>\n<p>Control and treatment alternated in {} pairs of blocks, in random "
      "order "
      "(seed {}), so that what makes a shadow differ from production anyway cancels out. The first part of each block, "
      "in which "
      "queues settle, does not count. Histograms are within 1.6% of the values recorded.</p>\n</section>\n",
      pairs, session.spec().seed());
}

}  // namespace

std::string report_html(const SessionView& view, const std::string& version) {
  const v1::Session& session = view.session();
  std::string out = fmt::format(
      "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n<meta name='viewport' "
      "content='width=device-width, initial-scale=1'>\n<title>{}: "
      "{}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n",
      escape_html(session.service()), escape_html(headline(session)), kReportStyle);
  out += head(view);
  if (session.verdict().metrics_size() > 0) out += verdict_section(session.verdict());
  out += failure_section(session.status());
  out += responses_section(session.status());
  out += egress_section(session.status());
  out += charts_section(view);
  out += "<section>\n<h2>Profile</h2>\n<pre>" + escape_html(to_json(session.spec().profile())) + "</pre>\n</section>\n";
  out += counters_section(view);
  out += method_section(session);
  return out +
         fmt::format(
             "<footer>gnomon {}, session {}. Payload bytes never leave the machine and are in no report.</footer>\n"
             "</main>\n</body>\n</html>\n",
             escape_html(version), escape_html(session.id()));
}

}  // namespace gnomon::cli
