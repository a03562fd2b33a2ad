#include "agent/probe/shared_page.h"

#include <sys/mman.h>

#include "common/status.h"

namespace gnomon::probe {

void Unmap::operator()(probe_shared* page) const {
  ::munmap(page, sizeof(*page));
}

absl::StatusOr<SharedPage> map_shared_page(int map) {
  void* const page = ::mmap(nullptr, sizeof(probe_shared), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
  if (page == MAP_FAILED) return errno_status("probe: cannot map the page shared with the kernel");
  return SharedPage(static_cast<probe_shared*>(page));
}

}  // namespace gnomon::probe
