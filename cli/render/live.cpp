#include "cli/render/live.h"

#include <algorithm>

#include "cli/render/table.h"
#include "cli/render/text.h"
#include "fmt/format.h"

namespace gnomon::cli {
namespace {

std::string progress_bar(double share) {
  constexpr int kWidth = 30;
  const int done = std::clamp(static_cast<int>(share * kWidth), 0, kWidth);
  return "[" + std::string(static_cast<std::size_t>(done), '#') +
         std::string(static_cast<std::size_t>(kWidth - done), '.') + "]";
}

std::int64_t whole_seconds(std::int64_t ms) {
  return (ms + 500) / 1000;
}

// "treatment 3/8", or the state outside of blocks.
std::string phase(const SessionView& view) {
  const v1::Block* block = view.current_block();
  if (block == nullptr) {
    const v1::SessionState state = view.session().status().state();
    return state == v1::SESSION_STATE_RUNNING ? view.progress().activity() : state_name(state);
  }
  return fmt::format("{} {}/{}", block_kind_name(block->kind()), block->index() + 1,
                     view.session().spec().blocks_size());
}

// "32 s of 60 s (+6 s: pauses, settling; about 33 s left)": what makes a session longer than its plan is told as well.
std::string progress(const SessionView& view) {
  const v1::SessionProgress& progress = view.progress();
  std::string more;
  if (const auto besides = whole_seconds(progress.besides_ms()); besides > 0)
    more = fmt::format("+{} s: pauses, settling", besides);
  if (const auto left = whole_seconds(progress.left_ms()); left > 0)
    more += fmt::format("{}about {} s left", more.empty() ? "" : "; ", left);
  return fmt::format("{:>3} s of {} s{}", whole_seconds(progress.done_ms()), whole_seconds(progress.planned_ms()),
                     more.empty() ? "" : " (" + more + ")");
}

std::string counts(const SessionView& view) {
  const telemetry::TapCounters tap = view.tap();
  const telemetry::ReplayCounters replay = view.replay();
  return fmt::format("captured {}, lost {}, replayed {}, shed {}", tap.requests, tap.lost_records,
                     replay.copies - std::min(replay.copies, replay.shed + replay.cancelled), replay.shed);
}

// Every kind of loss that happened, and samples that could not be read.
std::string losses(const SessionView& view) {
  std::string text = describe_losses(view.tap(), view.replay());
  if (view.undecodable_samples() > 0)
    text += fmt::format("{}{} unreadable samples", text.empty() ? "" : ", ", view.undecodable_samples());
  return text;
}

template <class Format>
std::string cell(const Point* point, Format format) {
  return point == nullptr ? "-" : format(*point);
}

}  // namespace

std::string live_table(const SessionView& view) {
  const v1::Session& session = view.session();
  const v1::SessionStatus& status = session.status();
  const Point *production = view.latest(false), *shadow = view.latest(true);
  const auto done = static_cast<double>(view.progress().done_ms()),
             planned = static_cast<double>(view.progress().planned_ms());
  std::string out = fmt::format("session {}  {}\n", printable(session.id()),
                                session.node().empty() ? "" : "on " + printable(session.node()));
  out += fmt::format("{} {}   {}\n", progress_bar(planned > 0 ? done / planned : 0), progress(view), phase(view));
  if (!status.message().empty()) out += printable(status.message()) + "\n";
  if (status.shadow_cpu_milli() > 0)
    out +=
        fmt::format("shadow: {} CPU, {} memory; {} of the requests sampled, each replayed {:.3g} times\n",
                    format_cpu(MilliCpu{status.shadow_cpu_milli()}), format_bytes(Bytes{status.shadow_memory_bytes()}),
                    format_fraction(Fraction{status.sampled_fraction()}), status.multiplicity());
  Table table({"", "production", "shadow"});
  table.right({1, 2});
  const auto row = [&](const char* name, auto format) {
    table.add({name, cell(production, format), cell(shadow, format)});
  };
  row("requests/s", [](const Point& p) { return format_rate(p.requests_per_second); });
  row("service time p50", [](const Point& p) { return format_optional(p.service_p50); });
  row("service time p99", [](const Point& p) { return format_optional(p.service_p99); });
  row("response time p50", [](const Point& p) { return format_optional(p.response_p50); });
  row("response time p99", [](const Point& p) { return format_optional(p.response_p99); });
  row("errors", [](const Point& p) { return format_optional_share(p.error_rate); });
  row("CPU", [](const Point& p) { return fmt::format("{:.2f}", p.cpu); });
  row("throttled", [](const Point& p) { return format_fraction(Fraction{p.throttled}); });
  row("memory", [](const Point& p) { return format_bytes(p.memory); });
  out += table.render();
  out += counts(view) + "\n";
  const std::string lost = losses(view);
  out += lost.empty() ? "nothing lost\n" : "not all arrived: " + lost + "\n";
  return out;
}

std::string live_line(const SessionView& view) {
  const Point *production = view.latest(false), *shadow = view.latest(true);
  std::string out = fmt::format("{}  {:<14}", progress(view), phase(view));
  if (production != nullptr)
    out += fmt::format("  production {}/s p50 {} p99 {} errors {} cpu {:.2f}",
                       format_rate(production->requests_per_second), format_optional(production->service_p50),
                       format_optional(production->service_p99), format_optional_share(production->error_rate),
                       production->cpu);
  if (shadow != nullptr)
    out += fmt::format("  shadow {}/s p50 {} p99 {} response p50 {} p99 {} errors {} cpu {:.2f} throttled {}",
                       format_rate(shadow->requests_per_second), format_optional(shadow->service_p50),
                       format_optional(shadow->service_p99), format_optional(shadow->response_p50),
                       format_optional(shadow->response_p99), format_optional_share(shadow->error_rate), shadow->cpu,
                       format_fraction(Fraction{shadow->throttled}));
  if (production != nullptr || shadow != nullptr) out += "  " + counts(view);
  if (const std::string lost = losses(view); !lost.empty()) out += " (not all arrived: " + lost + ")";
  if (!view.session().status().message().empty()) out += "  " + printable(view.session().status().message());
  return out;
}

std::string Redraw::frame(const std::string& lines) {
  std::string out;
  if (shown_ > 0) out += fmt::format("\x1b[{}A", shown_);
  std::size_t begin = 0;
  shown_ = 0;
  while (begin < lines.size()) {
    const std::size_t end = std::min(lines.find('\n', begin), lines.size());
    // Clear what the line had before, and never wrap: a wrapped line would count as two.
    out += "\x1b[?7l" + lines.substr(begin, end - begin) + "\x1b[K\x1b[?7h\n";
    begin = end + 1;
    ++shown_;
  }
  return out + "\x1b[J";
}

}  // namespace gnomon::cli
