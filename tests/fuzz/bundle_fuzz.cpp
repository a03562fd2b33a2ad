// The reader of OCI configurations on arbitrary texts: what it accepts can be started, and is within a shadow's walls.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "agent/shadow/given_bundle.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool is_inside(const std::string& path) {
  return path.starts_with("/") && ("/" + path + "/").find("/../") == std::string::npos &&
         path.find("//") == std::string::npos;
}

bool is_the_kernels(const std::string& path) {
  using gnomon::shadow::is_within;
  return is_within(path, "/proc") || is_within(path, "/sys") ||
         (is_within(path, "/dev") && !is_within(path, "/dev/shm"));
}

void check(const gnomon::shadow::GivenBundle& bundle, std::uint64_t own_capabilities) {
  using namespace gnomon::shadow;
  require(bundle.root.starts_with("/"));
  const Launch& launch = bundle.launch;
  require(!launch.argv.empty() && !launch.executable.empty() && launch.directory.starts_with("/"));
  const std::vector<std::string> safe = safe_capabilities(own_capabilities);
  for (const auto* given : {&launch.capabilities, &launch.bounding_capabilities})
    for (const std::string& capability : *given) require(std::ranges::count(safe, capability) == 1);
  require(std::ranges::any_of(launch.environment, [](const auto& entry) { return entry.starts_with("PATH="); }));
  for (const std::string& entry : launch.environment) {
    require(entry.find('=') != std::string::npos && entry.find('\0') == std::string::npos);
    require(!entry.starts_with("LISTEN_"));
  }
  for (const ResourceLimit& limit : launch.limits) require(!limit.type.empty() && limit.type != "RLIMIT_NPROC");
  for (const FreshDirectory& fresh : bundle.plan.fresh) require(is_inside(fresh.path) && !is_the_kernels(fresh.path));
  for (const Volume& volume : bundle.plan.volumes)
    require(is_inside(volume.path) && !is_the_kernels(volume.path) && volume.source.starts_with("/"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::uint64_t own_capabilities = data[0] * 0x0101'0101'0101'0101ull;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto bundle = gnomon::shadow::parse_bundle("/bundle", text, own_capabilities);
  if (bundle.ok())
    check(*bundle, own_capabilities);
  else
    require(!bundle.status().message().empty());
  return 0;
}
