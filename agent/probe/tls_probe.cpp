#include "agent/probe/tls_probe.h"

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "agent/probe/kernel_log.h"
#include "bpf/tls.skel.h"
#include "common/status.h"

namespace gnomon::probe {
namespace {

// The uprobe program for a function of a tls::Library; tls_free needs no return.
bpf_program* program_for(const tls_bpf& skeleton, std::string_view function) {
  if (function == "SSL_read") return skeleton.progs.tls_read;
  if (function == "SSL_read_ex" || function == "SSL_read_early_data" || function == tls::kInnerRead)
    return skeleton.progs.tls_read_ex;
  if (function == "SSL_free" || function == "SSL_clear") return skeleton.progs.tls_free;
  if (function == "SSL_write") return skeleton.progs.tls_write;
  if (function == "SSL_write_ex" || function == "SSL_write_early_data") return skeleton.progs.tls_write_ex;
  if (function == "SSL_sendfile") return skeleton.progs.tls_sendfile;
  if (function == "SSL_shutdown") return skeleton.progs.tls_shutdown;
  return skeleton.progs.tls_other;
}

}  // namespace

void TlsProbe::SkeletonDeleter::operator()(tls_bpf* skeleton) const {
  tls_bpf::destroy(skeleton);
}

TlsProbe::TlsProbe(bpf_object* tap, Ring ring) : tap_(tap), ring_(ring) {}

TlsProbe::~TlsProbe() = default;

absl::Status TlsProbe::load() {
  if (skeleton_) return absl::OkStatus();
  const KernelLog log;
  std::unique_ptr<tls_bpf, SkeletonDeleter> skeleton(tls_bpf::open());
  if (!skeleton) return errno_status("tls: cannot open the uprobe programs");
  tell_ring(*skeleton->rodata, ring_);
  int result = share_maps(skeleton->obj, tap_);
  if (result == 0) result = tls_bpf::load(skeleton.get());
  if (result != 0)
    return errno_status(-result, fmt::format("tls: loading the uprobe programs failed; libbpf: {}", log.tail()));
  skeleton_ = std::move(skeleton);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<LinkPtr>> TlsProbe::probe_functions(const tls::Library& library, bool writes) {
  std::vector<LinkPtr> links;
  for (const auto& [function, offset] : library.offsets) {
    if ((std::ranges::count(tls::kWrites, function) > 0) != writes) continue;
    bpf_program* const enter = program_for(*skeleton_, function);
    // The return first: an entry that is seen has its return seen.
    for (bpf_program* program : {skeleton_->progs.tls_return, enter}) {
      if (program == skeleton_->progs.tls_return && enter == skeleton_->progs.tls_free) continue;
      bpf_uprobe_opts options{};
      options.sz = sizeof(options);
      options.retprobe = program == skeleton_->progs.tls_return;
      const KernelLog log;
      LinkPtr link(bpf_program__attach_uprobe_opts(program, -1, library.attach_path.c_str(), offset, &options));
      if (!link)
        return errno_status(
            fmt::format("tls: cannot probe {} of {}; needs CONFIG_UPROBE_EVENTS and CAP_PERFMON, see "
                        "docs/tls.md; libbpf: {}",
                        function, library.name, log.tail()));
      links.push_back(std::move(link));
    }
  }
  return links;
}

absl::Status TlsProbe::attach(User user, std::span<const tls::Library> libraries) {
  const std::lock_guard lock(mutex_);
  RETURN_IF_ERROR(load());
  std::map<File, Probed> added;
  for (const tls::Library& library : libraries) {
    const File file{library.device, library.inode};
    if (probed_.contains(file) || added.contains(file)) continue;
    ASSIGN_OR_RETURN(std::vector<LinkPtr> links, probe_functions(library, /*writes=*/false));
    added[file] = {.library = library, .links = std::move(links), .write_links = {}, .users = {}};
  }
  probed_.merge(added);
  for (const tls::Library& library : libraries) probed_[{library.device, library.inode}].users.insert(user);
  return probe_writes();
}

absl::Status TlsProbe::set_writes(User user, bool wanted) {
  const std::lock_guard lock(mutex_);
  write_users_.erase(user);
  if (wanted) write_users_.insert(user);
  return probe_writes();
}

// Where one of a library's users asks for them, and nowhere else.
absl::Status TlsProbe::probe_writes() {
  for (auto& [file, probed] : probed_) {
    const bool wanted = std::ranges::any_of(probed.users, [this](User user) { return write_users_.contains(user); });
    if (!wanted) probed.write_links.clear();
    if (!wanted || !probed.write_links.empty()) continue;
    ASSIGN_OR_RETURN(probed.write_links, probe_functions(probed.library, /*writes=*/true));
  }
  return absl::OkStatus();
}

void TlsProbe::detach(User user) {
  const std::lock_guard lock(mutex_);
  write_users_.erase(user);
  for (auto entry = probed_.begin(); entry != probed_.end();) {
    entry->second.users.erase(user);
    entry = entry->second.users.empty() ? probed_.erase(entry) : std::next(entry);
  }
  probe_writes().IgnoreError();  // detaches alone
}

}  // namespace gnomon::probe
