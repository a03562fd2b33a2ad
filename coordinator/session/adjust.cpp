#include "coordinator/session/adjust.h"

#include <algorithm>
#include <set>

#include "common/status.h"
#include "document/profile.h"

namespace gnomon::session {
namespace {

// The last block that may have begun: the node may be one further than it last told. -1: none.
int last_begun(const v1::SessionStatus& status) {
  int begun = status.current_block();
  for (const int block : status.completed_blocks()) begun = std::max(begun, block);
  return begun >= 0 ? begun + 1 : begun;
}

template <class Matters>  // of a block that may have begun: does the change touch it?
void leave_out_begun_pairs(const v1::SessionStatus& status, v1::SessionSpec& spec, Matters matters) {
  const int begun = last_begun(status);
  std::set<int> stale;
  for (const v1::Block& block : spec.blocks())
    if (block.index() <= begun && matters(block)) stale.insert(block.pair());
  for (v1::Block& block : *spec.mutable_blocks())
    if (stale.contains(block.pair())) block.set_pair(-1);
}

}  // namespace

absl::Status change_noise(const v1::NoiseParameters& noise, const v1::SessionStatus& status, v1::SessionSpec& spec) {
  *spec.mutable_profile()->mutable_noise_parameters() = noise;
  ASSIGN_OR_RETURN(const document::Profile profile, document::validate(spec.profile()));
  if (!profile.dependencies.empty()) {
    ASSIGN_OR_RETURN(const document::Service service, document::validate(spec.service()));
    RETURN_IF_ERROR(document::check_dependencies(profile, service));
  }
  leave_out_begun_pairs(status, spec, [](const v1::Block& block) { return block.kind() == v1::BLOCK_KIND_TREATMENT; });
  return absl::OkStatus();
}

absl::Status change_resources(const v1::ResourceAllocation& resources, const v1::SessionStatus& status,
                              v1::SessionSpec& spec) {
  v1::ResourceAllocation& allocation = *spec.mutable_profile()->mutable_resource_allocation();
  if (!resources.cpu().empty()) allocation.set_cpu(resources.cpu());
  if (!resources.memory().empty()) allocation.set_memory(resources.memory());
  if (!resources.io_weight().empty()) allocation.set_io_weight(resources.io_weight());
  RETURN_IF_ERROR(document::validate(spec.profile()).status());
  leave_out_begun_pairs(status, spec, [](const v1::Block&) { return true; });
  return absl::OkStatus();
}

}  // namespace gnomon::session
