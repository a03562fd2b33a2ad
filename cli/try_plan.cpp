#include "cli/try_plan.h"

#include <fcntl.h>

#include "common/status.h"
#include "document/parse.h"
#include "fmt/format.h"

namespace gnomon::cli {
namespace {

constexpr Nanos kShortest = std::chrono::seconds(15), kLongest = std::chrono::hours(24);

// A quarter of production's processors at twice its load: what a machine that has gone half away would see.
v1::ShadowInstanceProfile default_profile(const std::string& service) {
  v1::ShadowInstanceProfile profile;
  profile.set_service_descriptor(service);
  profile.mutable_resource_allocation()->set_cpu("0.25x production");
  profile.mutable_resource_allocation()->set_memory("1x production");
  profile.add_testing_scenarios("simulated_peak_load_2x");
  return profile;
}

absl::Status refuse(const std::string& file, const std::string& what) {
  return absl::FailedPreconditionError(file + ": " + what);
}

// The profile of a file and, if it is in there, its service.
absl::Status read_documents(const std::string& file, v1::ApplyRequest& request) {
  const auto documents = document::parse_file(file);
  if (!documents.ok()) return absl::FailedPreconditionError(documents.status().message());
  if (documents->profiles.size() != 1)
    return refuse(
        file, fmt::format("holds {} profiles; try takes one (gnomon apply takes several)", documents->profiles.size()));
  if (documents->services.size() > 1)
    return refuse(file, fmt::format("holds {} service descriptors; try takes one", documents->services.size()));
  *request.add_profiles() = documents->profiles[0];
  if (documents->services.empty()) return absl::OkStatus();
  if (documents->services[0].name() != documents->profiles[0].service_descriptor())
    return refuse(file, fmt::format("the profile is of \"{}\", the service descriptor is named \"{}\"",
                                    documents->profiles[0].service_descriptor(), documents->services[0].name()));
  *request.add_services() = documents->services[0];
  return absl::OkStatus();
}

absl::Status read_flags(const TryOptions& options, TryPlan& plan) {
  if (options.port > 65535)
    return absl::InvalidArgumentError(fmt::format("--port: \"{}\": must be from 1 to 65535", options.port));
  auto duration = parse_duration(options.duration);
  if (!duration.ok()) return annotate(duration.status(), "--for");
  if (*duration < kShortest || *duration > kLongest)
    return absl::InvalidArgumentError("--for: \"" + options.duration + "\": must be from 15s to 24h");
  plan.request.set_session_duration_ms(std::chrono::duration_cast<std::chrono::milliseconds>(*duration).count());
  if (!options.fraction.empty()) {
    const auto fraction = parse_fraction(options.fraction);
    if (!fraction.ok()) return annotate(fraction.status(), "--fraction");
    if (fraction->value == 0)
      return absl::InvalidArgumentError("--fraction: \"" + options.fraction + "\": must be above zero, as \"5%\"");
    plan.request.set_sampled_fraction(options.fraction);
  }
  if (!options.budget_cpu.empty()) {
    const auto cpu = parse_cpu(options.budget_cpu);
    if (!cpu.ok()) return annotate(cpu.status(), "--budget-cpu");
    plan.budget.cpu = *cpu;
  }
  if (!options.budget_memory.empty()) {
    const auto memory = parse_bytes(options.budget_memory);
    if (!memory.ok()) return annotate(memory.status(), "--budget-memory");
    plan.budget.memory = *memory;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TryPlan> plan_try(const TryOptions& options) {
  TryPlan plan;
  RETURN_IF_ERROR(read_flags(options, plan));
  if (!options.profile.empty()) RETURN_IF_ERROR(read_documents(options.profile, plan.request));
  if (options.port == 0 && plan.request.services_size() == 0)
    return absl::InvalidArgumentError("--port is required: the TCP port that the service listens on");
  if (plan.request.profiles_size() == 0)
    *plan.request.add_profiles() = default_profile(fmt::format("port-{}", options.port));
  if (plan.request.services_size() == 0)
    plan.request.add_services()->set_name(plan.request.profiles(0).service_descriptor());
  v1::Discovery& discovery = *plan.request.mutable_services(0)->mutable_discovery();
  if (options.port != 0) discovery.set_port(options.port);
  if (options.pid != 0) discovery.set_pid(options.pid);
  if (!options.protocol.empty()) plan.request.mutable_services(0)->set_protocol(options.protocol);
  for (const std::string& endpoint : options.replay_writes)
    plan.request.mutable_services(0)->mutable_shadow()->add_replay_writes(endpoint);
  if (!options.max_cost.empty())
    plan.request.mutable_services(0)->mutable_shadow()->set_max_production_cost(options.max_cost);
  if (!options.compare_responses.empty())
    plan.request.mutable_services(0)->mutable_shadow()->set_compare_responses(options.compare_responses);
  if (!options.compare_bytes.empty())
    plan.request.mutable_services(0)->mutable_shadow()->set_compare_bytes(options.compare_bytes);
  ASSIGN_OR_RETURN(plan.service, document::validate(plan.request.services(0)));
  ASSIGN_OR_RETURN(plan.profile, document::validate(plan.request.profiles(0)));
  return plan;
}

absl::Status check_writable(const std::string& path) {
  UniqueFd created(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (created.valid()) {
    ::unlink(path.c_str());
    return absl::OkStatus();
  }
  if (errno == EEXIST) {
    const UniqueFd existing(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (existing.valid()) return absl::OkStatus();
  }
  return annotate(errno_status(path), "--report cannot be written, name another file");
}

}  // namespace gnomon::cli
