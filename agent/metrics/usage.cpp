#include "agent/metrics/usage.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "agent/discovery/cgroup.h"
#include "agent/discovery/instance.h"
#include "agent/discovery/procfs.h"
#include "common/status.h"
#include "fmt/format.h"

namespace gnomon::metrics {
namespace {

using discovery::Cgroup;
using discovery::read_file;

// The value after `key` in a file of "key value" lines.
std::optional<std::uint64_t> keyed(const std::string& text, const std::string& key) {
  std::istringstream lines(text);
  std::string name;
  for (std::uint64_t value = 0; lines >> name >> value;)
    if (name == key) return value;
  return std::nullopt;
}

std::optional<std::uint64_t> number_in(const std::string& path) {
  std::istringstream in(read_file(path).value_or(""));
  std::uint64_t value = 0;
  if (!(in >> value)) return std::nullopt;
  return value;
}

// Whether everything in the cgroup belongs to the tree of `pid` or has started it. A login session or a plain slice
// holds strangers: what it has used is not what the service has used.
bool is_own(const std::string& proc, const Cgroup& cgroup, int pid) {
  if (cgroup.root()) return false;
  std::set<pid_t> related;
  for (pid_t member : discovery::process_tree(proc, pid)) related.insert(member);
  for (auto process = discovery::read_process(proc, pid); process && process->parent > 0;
       process = discovery::read_process(proc, process->parent))
    related.insert(process->parent);
  std::error_code error;
  std::vector<std::string> directories{cgroup.directory()};
  for (std::filesystem::recursive_directory_iterator entry(cgroup.directory(), error), end; !error && entry != end;
       entry.increment(error))
    if (std::error_code ignored; entry->is_directory(ignored)) directories.push_back(entry->path().string());
  for (const std::string& directory : directories) {
    std::istringstream members(read_file(directory + "/cgroup.procs").value_or(""));
    for (pid_t member = 0; members >> member;)
      if (!related.contains(member)) return false;
  }
  return true;
}

class CgroupUsage final : public UsageReader {
 public:
  CgroupUsage(Cgroup usage, Cgroup quota, Cgroup memory)
      : usage_(std::move(usage)), quota_(std::move(quota)), memory_(std::move(memory)) {}

  absl::StatusOr<Usage> read() override {
    Usage usage;
    const std::string stat = read_file(quota_.directory() + "/cpu.stat").value_or("");
    if (usage_.v2) {
      const auto micros = keyed(stat, "usage_usec");
      if (!micros) return gone();
      usage.cpu = std::chrono::microseconds(*micros);
      usage.throttled = std::chrono::microseconds(keyed(stat, "throttled_usec").value_or(0));
    } else {
      const auto nanos = number_in(usage_.directory() + "/cpuacct.usage");
      if (!nanos) return gone();
      usage.cpu = Nanos(*nanos);
      usage.throttled = Nanos(keyed(stat, "throttled_time").value_or(0));
    }
    usage.throttles = keyed(stat, "nr_throttled").value_or(0);
    const auto memory = number_in(memory_.directory() + (memory_.v2 ? "/memory.current" : "/memory.usage_in_bytes"));
    if (!memory) return gone();
    // Page cache that nobody has touched lately goes as soon as anybody wants memory: it is not what the service needs.
    const auto idle = keyed(read_file(memory_.directory() + "/memory.stat").value_or(""),
                            memory_.v2 ? "inactive_file" : "total_inactive_file");
    usage.memory = Bytes{*memory - std::min(*memory, idle.value_or(0))};
    return usage;
  }

  std::string source() const override { return fmt::format("cgroup {} {}", usage_.v2 ? "v2" : "v1", usage_.path); }

 private:
  absl::Status gone() const { return absl::NotFoundError(fmt::format("{} has gone", source())); }

  Cgroup usage_, quota_, memory_;
};

class ProcUsage final : public UsageReader {
 public:
  ProcUsage(std::string proc, int pid) : proc_(std::move(proc)), pid_(pid) {}

  absl::StatusOr<Usage> read() override {
    const std::vector<pid_t> tree = discovery::process_tree(proc_, pid_);
    if (tree.empty()) return absl::NotFoundError(fmt::format("process {} has ended", pid_));
    processes_ = tree.size();
    add_cpu(tree);
    return Usage{.cpu = cpu_, .throttled = Nanos(0), .memory = resident(tree)};
  }

  std::string source() const override { return fmt::format("/proc of {} processes", processes_); }

 private:
  // A thread that ends takes its counter with it: the sum of what threads have gained is kept, so that it never falls.
  void add_cpu(const std::vector<pid_t>& tree) {
    std::map<int, Nanos> now;
    for (pid_t pid : tree) {
      const std::string tasks = fmt::format("{}/{}/task", proc_, pid);
      for (int thread : discovery::numbered_entries(tasks))
        if (const auto ran = number_in(fmt::format("{}/{}/schedstat", tasks, thread))) now[thread] = Nanos(*ran);
    }
    for (const auto& [thread, ran] : now) {
      const auto before = threads_.find(thread);
      // Less than before: another thread has got the number.
      cpu_ += before == threads_.end() || ran < before->second ? ran : ran - before->second;
    }
    threads_ = std::move(now);
  }

  // From statm, which costs the process nothing: smaps_rollup would be exact but walks its page tables under its mmap
  // lock.
  Bytes resident(const std::vector<pid_t>& tree) const {
    std::uint64_t own = 0, shared = 0;  // pages that the processes share are counted once
    for (pid_t pid : tree) {
      std::istringstream in(read_file(fmt::format("{}/{}/statm", proc_, pid)).value_or(""));
      std::uint64_t size = 0, pages = 0, common = 0;
      if (!(in >> size >> pages >> common)) continue;
      own += pages - std::min(pages, common);
      shared = std::max(shared, common);
    }
    return Bytes{(own + shared) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))};
  }

  const std::string proc_;
  const int pid_;
  std::size_t processes_ = 0;
  std::map<int, Nanos> threads_;
  Nanos cpu_{0};
};

}  // namespace

absl::StatusOr<std::unique_ptr<UsageReader>> UsageReader::open(const std::string& proc, const std::string& cgroup,
                                                               int pid) {
  if (!discovery::read_process(proc, pid)) return absl::NotFoundError(fmt::format("there is no process {}", pid));
  const auto quota = discovery::cgroup_of(proc, cgroup, pid, "cpu");
  const auto memory = discovery::cgroup_of(proc, cgroup, pid, "memory");
  // v2 counts CPU time in the cpu controller's own cgroup; v1 has a controller for it.
  const auto usage = quota && quota->v2 ? quota : discovery::cgroup_of(proc, cgroup, pid, "cpuacct");
  std::unique_ptr<UsageReader> reader;
  if (usage && quota && memory && is_own(proc, *usage, pid) && is_own(proc, *memory, pid))
    reader = std::make_unique<CgroupUsage>(*usage, *quota, *memory);
  else
    reader = std::make_unique<ProcUsage>(proc, pid);
  RETURN_IF_ERROR(reader->read().status());
  return reader;
}

}  // namespace gnomon::metrics
