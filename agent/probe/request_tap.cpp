#include "agent/probe/request_tap.h"

#include "common/status.h"

namespace gnomon::probe {

absl::Status RequestTap::follow(std::uint32_t slot) {
  if (!tap_.link) {
    ASSIGN_OR_RETURN(tap_.link, attach(object_, choice_.tap));
  }
  tap_.by.set(slot);
  return absl::OkStatus();
}

void RequestTap::follow_causes(std::uint32_t slot) {
  if (choice_.cause == nullptr || causes_.by[slot]) return;
  if (!causes_.link) causes_.link = attach(object_, choice_.cause).value_or(nullptr);
  causes_.by[slot] = causes_.link != nullptr;
}

bool RequestTap::follow_packets(std::uint32_t slot) {
  if (choice_.packets == nullptr || packets_.by[slot]) return false;
  if (!packets_.link) packets_.link = attach_to_cgroups(object_, choice_.packets).value_or(nullptr);
  packets_.by[slot] = packets_.link != nullptr;
  return packets_.by[slot];
}

void RequestTap::drop(std::uint32_t slot) {
  for (Needed* needed : {&tap_, &causes_, &packets_}) needed->drop(slot);
}

}  // namespace gnomon::probe
