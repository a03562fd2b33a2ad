#include "cli/render/describe.h"

#include "cli/render/cost.h"
#include "cli/render/egress.h"
#include "cli/render/lists.h"
#include "cli/render/noise.h"
#include "cli/render/responses.h"
#include "cli/render/session_view.h"
#include "cli/render/table.h"
#include "cli/render/text.h"
#include "cli/render/verdict.h"
#include "fmt/format.h"
#include "telemetry/wire.h"

namespace gnomon::cli {
namespace {

// "32 s of 60 s planned, 6 s besides in 5 pauses and what they take; measuring; about 33 s left".
std::string progress(const v1::SessionProgress& told) {
  const auto duration = [](std::int64_t ms) { return format_duration(std::chrono::milliseconds(ms)); };
  std::string text =
      fmt::format("{} of {} planned, {} besides ({} pauses, draining before and settling after them)",
                  duration(told.done_ms()), duration(told.planned_ms()), duration(told.besides_ms()), told.pauses());
  if (!told.activity().empty()) text += "; " + told.activity();
  if (told.left_ms() > 0) text += "; about " + duration(told.left_ms()) + " left";
  return text;
}

std::string facts(const v1::Session& session) {
  const v1::SessionStatus& status = session.status();
  const v1::ShadowInstanceProfile& profile = session.spec().profile();
  Table table({"session", session.id()});
  table.add({"state", state_name(status.state()) + (status.message().empty() ? "" : ": " + status.message())});
  table.add({"service", session.service()});
  table.add({"node", session.node().empty() ? "-" : session.node()});
  table.add({"started (UTC)", format_time(session.created_unix_ms())});
  table.add({"ended (UTC)", format_time(session.ended_unix_ms())});
  table.add({"profile", session.profile()});
  table.add({"scenarios", fmt::format("{}", fmt::join(profile.testing_scenarios(), ", "))});
  table.add({"noise", noise_summary(profile.noise_parameters()) +
                          (status.noise_engine().empty() ? "" : ", by " + status.noise_engine())});
  table.add(
      {"blocks", fmt::format("{} of {} completed", status.completed_blocks_size(), session.spec().blocks_size())});
  if (status.has_progress()) table.add({"progress", progress(status.progress())});
  if (status.shadow_cpu_milli() > 0)
    table.add({"shadow", fmt::format("{} CPU, {} memory, pid {}", format_cpu(MilliCpu{status.shadow_cpu_milli()}),
                                     format_bytes(Bytes{status.shadow_memory_bytes()}), status.shadow_pid()) +
                             (status.oci_runtime().empty() ? "" : ", started by " + status.oci_runtime())});
  table.add({"sampled", fmt::format("{} of the requests, each replayed {:.3g} times",
                                    format_fraction(Fraction{status.sampled_fraction()}), status.multiplicity())});
  if (status.has_representativeness())
    table.add({"sample", fmt::format("{:.2f} like all of production's requests, least by its {}",
                                     status.representativeness(), status.least_represented())});
  if (!status.warm_up().empty()) table.add({"warm-up", status.warm_up()});
  if (const std::string cost = production_cost(status); !cost.empty()) table.add({"cost", cost});
  if (const std::string more = production_throttling(status); !more.empty()) table.add({"", more});
  return table.render();
}

}  // namespace

std::string session_text(const v1::Session& session) {
  std::string out = facts(session);
  Table counters({"COUNTER", "COUNT", "WHAT IT SAYS"});
  counters.right({1});
  for (const CounterRow& row :
       counter_rows(telemetry::from_wire(session.tap()), telemetry::from_wire(session.replay())))
    counters.add({row.name, std::to_string(row.count), row.meaning});
  out += "\n" + counters.render();
  if (const std::string checks = noise_checks_text(session.status()); !checks.empty()) out += "\n" + checks;
  if (const std::string responses = responses_text(session.status()); !responses.empty()) out += "\n" + responses;
  if (const std::string egress = egress_text(session.status()); !egress.empty()) out += "\n" + egress;
  if (session.status().state() == v1::SESSION_STATE_FAILED) out += "\n" + failure_text(session);
  if (session.has_verdict()) out += "\n" + verdict_text(session.verdict(), false);
  return out;
}

}  // namespace gnomon::cli
