#include "agent/shadow/given_bundle.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "agent/discovery/procfs.h"
#include "common/status.h"
#include "fmt/format.h"
#include "nlohmann/json.hpp"

namespace gnomon::shadow {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

// The value at a path of keys, or null.
const json& at(const json& object, std::initializer_list<const char*> keys) {
  static const json kNull;
  const json* value = &object;
  for (const char* key : keys) {
    if (!value->is_object() || !value->contains(key)) return kNull;
    value = &(*value)[key];
  }
  return *value;
}

std::string text(const json& value) {
  return value.is_string() ? value.get<std::string>() : "";
}

std::vector<std::string> texts(const json& list) {
  std::vector<std::string> all;
  if (!list.is_array()) return all;
  for (const json& entry : list)
    if (entry.is_string()) all.push_back(entry.get<std::string>());
  return all;
}

std::uint64_t number(const json& value, std::uint64_t otherwise) {
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : otherwise;
}

std::vector<std::string> common_to(const std::vector<std::string>& wanted, const std::vector<std::string>& allowed) {
  std::vector<std::string> both;
  for (const std::string& name : wanted)
    if (std::ranges::find(allowed, name) != allowed.end()) both.push_back(name);
  return both;
}

absl::Status read_process(const json& process, std::uint64_t own_capabilities, Launch* launch) {
  launch->argv = texts(at(process, {"args"}));
  if (launch->argv.empty() || launch->argv[0].empty())
    return absl::InvalidArgumentError("process.args: is required: the program and its arguments");
  launch->executable = launch->argv[0];  // our init looks for it in PATH
  launch->directory = text(at(process, {"cwd"}));
  if (!launch->directory.starts_with("/"))
    return absl::InvalidArgumentError(fmt::format("process.cwd: \"{}\": must be an absolute path", launch->directory));
  std::string block;
  for (const std::string& entry : texts(at(process, {"env"}))) block += entry + std::string(1, '\0');
  launch->environment = clean_environment(block);
  launch->uid = static_cast<uid_t>(number(at(process, {"user", "uid"}), 0));
  launch->gid = static_cast<gid_t>(number(at(process, {"user", "gid"}), 0));
  launch->umask = static_cast<unsigned>(number(at(process, {"user", "umask"}), 022));
  for (const json& group : at(process, {"user", "additionalGids"}))
    if (group.is_number_unsigned()) launch->groups.push_back(group.get<gid_t>());
  for (const json& limit : at(process, {"rlimits"})) {
    // Processes are limited by its cgroup: the kernel would count production's as well.
    if (const std::string type = text(at(limit, {"type"})); !type.empty() && type != "RLIMIT_NPROC")
      launch->limits.push_back({type, number(at(limit, {"soft"}), 0), number(at(limit, {"hard"}), 0)});
  }
  const std::vector<std::string> safe = safe_capabilities(own_capabilities);
  launch->capabilities = common_to(texts(at(process, {"capabilities", "effective"})), safe);
  launch->bounding_capabilities = common_to(texts(at(process, {"capabilities", "bounding"})), safe);
  return absl::OkStatus();
}

bool is_ours(const std::string& destination) {
  return is_within(destination, "/proc") || is_within(destination, "/sys") ||
         (is_within(destination, "/dev") && !is_within(destination, "/dev/shm"));
}

absl::Status read_mounts(const json& mounts, const std::string& directory, RootPlan* plan) {
  for (const json& mount : mounts) {
    const std::string destination = fs::path(text(at(mount, {"destination"}))).lexically_normal();
    const std::vector<std::string> options = texts(at(mount, {"options"}));
    const auto has = [&](const char* option) { return std::ranges::find(options, option) != options.end(); };
    if (!destination.starts_with("/"))
      return absl::InvalidArgumentError(
          fmt::format("mounts.destination: \"{}\": must be an absolute path", destination));
    if (is_ours(destination)) continue;
    if (text(at(mount, {"type"})) == "tmpfs") {
      plan->fresh.push_back({.path = destination, .made = true});
    } else if (has("bind") || has("rbind")) {
      const std::string source = text(at(mount, {"source"}));
      plan->volumes.push_back({.path = destination,
                               .read_only = has("ro"),
                               .source = source.starts_with("/") ? source : directory + "/" + source});
    } else {
      return absl::InvalidArgumentError(
          fmt::format("mounts.type: \"{}\" at {}: only binds and tmpfs can be mounted into a shadow: leave it out",
                      text(at(mount, {"type"})), destination));
    }
  }
  std::ranges::stable_sort(plan->volumes, {}, &Volume::path);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<GivenBundle> parse_bundle(const std::string& directory, const std::string& config,
                                         std::uint64_t own_capabilities) {
  const json parsed = json::parse(config, nullptr, false);
  if (!parsed.is_object()) return absl::InvalidArgumentError("it is no JSON object: an OCI configuration is needed");
  GivenBundle bundle;
  const std::string root = text(at(parsed, {"root", "path"}));
  if (root.empty()) return absl::InvalidArgumentError("root.path: is required: the directory of its root file system");
  bundle.root = root.starts_with("/") ? root : directory + "/" + root;
  bundle.hostname = text(at(parsed, {"hostname"}));
  RETURN_IF_ERROR(read_process(at(parsed, {"process"}), own_capabilities, &bundle.launch));
  RETURN_IF_ERROR(read_mounts(at(parsed, {"mounts"}), directory, &bundle.plan));
  bundle.plan.masked = texts(at(parsed, {"linux", "maskedPaths"}));
  return bundle;
}

absl::StatusOr<GivenBundle> read_bundle(const std::string& directory) {
  const std::string file = directory + "/config.json";
  const auto config = discovery::read_file(file);
  if (!config) return errno_status(file);
  const std::string own = discovery::read_file("/proc/self/status").value_or("");
  const std::string mask = discovery::field_of(own, "CapBnd");
  auto bundle = parse_bundle(directory, *config, mask.empty() ? 0 : std::stoull(mask, nullptr, 16));
  if (!bundle.ok()) return annotate(bundle.status(), file);
  return bundle;
}

}  // namespace gnomon::shadow
