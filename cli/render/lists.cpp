#include "cli/render/lists.h"

#include "cli/render/session_view.h"
#include "cli/render/table.h"
#include "cli/render/text.h"
#include "fmt/format.h"

namespace gnomon::cli {
namespace {

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : text;
}

std::vector<std::string> instance_row(const v1::Service& service, int index) {
  const v1::InstanceStatus& instance = service.instances(index);
  const v1::ServiceDescriptor& document = service.descriptor_document();
  const std::string node = index < service.nodes_size() ? service.nodes(index) : "-";
  const std::string port = std::to_string(document.discovery().port());
  if (!instance.error().empty()) return {document.name(), port, node, "-", "-", "-", "-", instance.error()};
  return {document.name(),
          port,
          node,
          std::to_string(instance.pid()),
          instance.command(),
          format_cpu(MilliCpu{instance.cpu_milli()}),
          format_bytes(Bytes{instance.memory_bytes()}),
          fmt::format("{}", fmt::join(instance.listen(), ", "))};
}

}  // namespace

std::string services_table(const v1::ListServicesResponse& response) {
  Table table({"SERVICE", "PORT", "NODE", "PID", "COMMAND", "CPU", "MEMORY", "LISTENS ON"});
  table.right({1, 3, 5, 6});
  for (const v1::Service& service : response.services()) {
    for (int i = 0; i < service.instances_size(); ++i) table.add(instance_row(service, i));
    if (service.instances_size() == 0)
      table.add({service.descriptor_document().name(), std::to_string(service.descriptor_document().discovery().port()),
                 "-", "-", "-", "-", "-", "no node has reported yet"});
  }
  return table.render();
}

std::string nodes_table(const v1::ListNodesResponse& response) {
  Table table(
      {"NODE", "STATE", "LAST SEEN (UTC)", "VERSION", "KERNEL", "CPUS", "MEMORY", "BUDGET", "APPLIED", "LOST SAMPLES"});
  table.right({5, 6, 9});
  for (const v1::Node& node : response.nodes()) {
    const v1::Hello& hello = node.hello();
    table.add({hello.node(), node.connected() ? "connected" : "away", format_time(node.last_seen_unix_ms()),
               hello.version(), hello.kernel(), std::to_string(hello.cpus()), format_bytes(Bytes{hello.memory_bytes()}),
               fmt::format("{} CPU, {}", format_cpu(MilliCpu{hello.budget_milli_cpu()}),
                           format_bytes(Bytes{hello.budget_memory_bytes()})),
               fmt::format("{} of {}", node.applied_revision(), node.desired_revision()),
               std::to_string(node.dropped_samples() + node.rejected_samples())});
  }
  return table.render();
}

std::string sessions_table(const v1::ListSessionsResponse& response) {
  Table table({"SESSION", "SERVICE", "NODE", "STATE", "VERDICT", "STARTED (UTC)", "PROFILE", "MESSAGE"});
  for (const v1::Session& session : response.sessions())
    table.add({session.id(), session.service(), or_dash(session.node()), state_name(session.status().state()),
               session.has_verdict() ? outcome_name(session.verdict().outcome()) : "-",
               format_time(session.created_unix_ms()), session.profile(), session.status().message()});
  return table.render();
}

std::string profiles_table(const v1::ListProfilesResponse& response) {
  Table table({"PROFILE", "SERVICE", "CPU", "MEMORY", "NOISE", "SCENARIOS", "APPLIED (UTC)"});
  for (const v1::Profile& profile : response.profiles()) {
    const v1::ShadowInstanceProfile& document = profile.document();
    table.add({profile.id(), document.service_descriptor(), or_dash(document.resource_allocation().cpu()),
               or_dash(document.resource_allocation().memory()), noise_summary(document.noise_parameters()),
               or_dash(fmt::format("{}", fmt::join(document.testing_scenarios(), ", "))),
               format_time(profile.applied_unix_ms())});
  }
  return table.render();
}

std::string noise_summary(const v1::NoiseParameters& noise) {
  std::string out;
  if (!noise.response_delay_mean().empty()) out = "delay " + noise.response_delay_mean();
  if (!noise.response_delay_stddev().empty()) out += (out.empty() ? "delay +-" : " +-") + noise.response_delay_stddev();
  if (!noise.response_delay_distribution().empty()) out += " " + noise.response_delay_distribution();
  const std::pair<const char*, const std::string&> others[] = {{"errors", noise.error_rate()},
                                                               {"packets lost", noise.packet_loss()},
                                                               {"duplicated", noise.packet_duplication()},
                                                               {"reordered", noise.packet_reordering()},
                                                               {"responses limited to", noise.rate_limit()},
                                                               {"connections refused", noise.connection_refusal()},
                                                               {"reset", noise.connection_reset()}};
  for (const auto& [name, value] : others)
    if (!value.empty()) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", name, value);
  for (const v1::DependencyNoise& one : noise.dependencies())
    out += fmt::format("{}to {}: {}", out.empty() ? "" : "; ", one.to(), noise_summary(one.noise_parameters()));
  return out.empty() ? "none" : out;
}

}  // namespace gnomon::cli
