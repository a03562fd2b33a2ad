#include "cli/render/noise.h"

#include <cmath>

#include "cli/render/table.h"
#include "cli/render/text.h"
#include "fmt/format.h"

namespace gnomon::cli {
namespace {

std::string value_of(const std::string& kind, double value) {
  if (kind.starts_with("response_delay")) return format_duration(Nanos(std::llround(value)));
  if (kind == "rate_limit") return fmt::format("{:.3g}Mbit", value / 1e6);
  return fmt::format("{:.3g}%", 100 * value);
}

std::string name_of(const v1::NoiseCheck& check) {
  return metric_name(check.kind()) + (check.dependency().empty() ? "" : " to " + check.dependency());
}

}  // namespace

std::string noise_checks_text(const v1::SessionStatus& status) {
  if (status.noise_checks().empty()) return "";
  Table table({"NOISE", "BY", "ASKED", "MEASURED", "AS ASKED IS", "OF", "SAID"});
  table.right({2, 3, 5});
  std::string off;
  for (const v1::NoiseCheck& check : status.noise_checks()) {
    const auto shown = [&](double value) { return value_of(check.kind(), value); };
    table.add({name_of(check), check.engine(), shown(check.asked()),
               check.samples() > 0 ? shown(check.measured()) : "-",
               fmt::format("{} to {}", shown(check.low()), shown(check.high())), std::to_string(check.samples()),
               check.off()            ? "off"
               : check.samples() == 0 ? "nothing to measure"
                                      : "as asked"});
    if (check.off()) off += (off.empty() ? "" : ", ") + name_of(check);
  }
  std::string out = table.render();
  if (!off.empty()) out += "noise is off: " + off + " differs from what the profile asks for\n";
  return out;
}

}  // namespace gnomon::cli
