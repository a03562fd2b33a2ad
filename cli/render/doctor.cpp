#include "cli/render/doctor.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

#include "cli/render/text.h"
#include "nlohmann/json.hpp"

namespace gnomon::cli {
namespace {

using nlohmann::ordered_json;

ordered_json text_or_null(const std::string& text) {
  return text.empty() ? ordered_json(nullptr) : ordered_json(text);
}

// What is as it should be takes one line. `remedy`: the last one that was printed, which is not repeated.
std::string check_text(const doctor::Check& check, std::string* remedy) {
  const bool ok = check.state == doctor::State::kOk;
  std::string out = fmt::format("  {:<9} {:<17} {}{}\n", doctor::state_name(check.state), check.id,
                                printable(check.seen), ok && !check.uses.empty() ? ": " + printable(check.uses) : "");
  const auto below = [&](const char* what, const std::string& text) {
    if (!text.empty()) out += fmt::format("  {:<9} {:<17} {}: {}\n", "", "", what, printable(text));
  };
  if (!ok) below("use", check.uses);
  below("remedy", check.remedy == *remedy && !remedy->empty() ? "as above" : check.remedy);
  *remedy = check.remedy;
  return out;
}

std::string verdict(const doctor::Diagnosis& diagnosis) {
  std::vector<std::string> missing, unknown, degraded;
  for (const doctor::Check& check : diagnosis.checks) {
    if (check.state == doctor::State::kDegraded) degraded.push_back(check.id);
    if (check.required && check.state == doctor::State::kMissing) missing.push_back(check.id);
    if (check.required && check.state == doctor::State::kUnknown) unknown.push_back(check.id);
  }
  if (diagnosis.sessions_can_run()) {
    if (degraded.empty()) return "sessions can run on this node\n";
    return fmt::format("sessions can run on this node; degraded: {}\n", fmt::join(degraded, ", "));
  }
  std::string out = "sessions cannot run on this node";
  if (!missing.empty()) out += fmt::format("; missing: {}", fmt::join(missing, ", "));
  if (!unknown.empty()) out += fmt::format("; not checked: {}", fmt::join(unknown, ", "));
  return out + '\n';
}

}  // namespace

std::string diagnosis_text(const doctor::Diagnosis& diagnosis) {
  std::string out, area, remedy;
  for (const doctor::Check& check : diagnosis.checks) {
    if (check.area != area) out += (area.empty() ? "" : "\n") + check.area + '\n';
    area = check.area;
    out += check_text(check, &remedy);
  }
  return out + '\n' + verdict(diagnosis);
}

std::string diagnosis_json(const doctor::Diagnosis& diagnosis) {
  ordered_json checks = ordered_json::array(), evidence = ordered_json::object();
  for (const doctor::Check& check : diagnosis.checks)
    checks.push_back({{"id", check.id},
                      {"area", check.area},
                      {"state", std::string(doctor::state_name(check.state))},
                      {"required", check.required},
                      {"seen", check.seen},
                      {"uses", check.uses},
                      {"remedy", check.remedy}});
  for (const auto& [name, result] : diagnosis.evidence) evidence[name] = result;
  const ordered_json all = {{"sessions_can_run", diagnosis.sessions_can_run()},
                            {"kernel", diagnosis.kernel},
                            {"tap", text_or_null(diagnosis.tap)},
                            {"send", text_or_null(diagnosis.send)},
                            {"checks", checks},
                            {"evidence", evidence}};
  return all.dump(2, ' ', false, ordered_json::error_handler_t::replace) + '\n';
}

}  // namespace gnomon::cli
