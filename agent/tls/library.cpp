#include "agent/tls/library.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <set>
#include <span>

#include "agent/discovery/procfs.h"
#include "agent/tls/elf.h"
#include "agent/tls/maps.h"
#include "common/unique_fd.h"

namespace gnomon::tls {
namespace {

constexpr char kRemedy[] =
    "shadow the plaintext port behind whatever ends TLS in front of it, or run the service with a dynamically linked "
    "OpenSSL; see docs/tls.md";

// A file mapped for reading.
class MappedFile {
 public:
  static std::optional<MappedFile> open(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (fd.get() < 0 || ::fstat(fd.get(), &status) != 0 || status.st_size <= 0) return std::nullopt;
    const auto size = static_cast<std::size_t>(status.st_size);
    void* const data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
    if (data == MAP_FAILED) return std::nullopt;
    return MappedFile({static_cast<const std::byte*>(data), size});
  }
  MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile() {
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

// What is known after a look at some processes.
struct Findings {
  std::vector<Library> libraries;
  std::set<std::pair<std::string, std::uint64_t>> seen;  // files looked at
  std::vector<std::string> obstacles;                    // why there is no library, for people
};

bool of_openssl(std::string_view file_name) {
  return file_name.starts_with("libssl.so") || file_name.starts_with("libssl-");
}

// Other implementations of TLS, by the files that their users map.
std::optional<std::string_view> other_implementation(std::string_view file_name) {
  if (file_name.starts_with("libgnutls.so")) return "GnuTLS";
  if (file_name.starts_with("libssl3.so")) return "NSS";
  if (file_name.starts_with("libmbedtls.so")) return "Mbed TLS";
  if (file_name.starts_with("libwolfssl.so")) return "wolfSSL";
  if (file_name.starts_with("libjvm.so")) return "Java's own TLS";
  return std::nullopt;
}

// The mapping's very file, which need not have a name any more or may have been replaced; needs CAP_SYS_ADMIN or
// CAP_CHECKPOINT_RESTORE.
std::string mapped_file(const std::string& proc, pid_t pid, const Mapping& mapping) {
  return fmt::format("{}/{}/map_files/{:x}-{:x}", proc, pid, mapping.begin, mapping.end);
}

void look_at_library(const std::string& path, const Mapping& mapping, Findings& findings) {
  const auto file = MappedFile::open(path);
  if (!file) {
    findings.obstacles.push_back(
        fmt::format("{} cannot be opened through {} (CAP_SYS_ADMIN is needed)", mapping.path, path));
    return;
  }
  auto offsets = function_offsets(file->bytes(), kFunctions);
  if (!offsets) {
    findings.obstacles.push_back(fmt::format("{} is no ELF file of a 64-bit x86 program", mapping.path));
    return;
  }
  for (std::size_t i = 0; i < kNeededFunctions; ++i) {
    if (offsets->contains(std::string(kFunctions[i]))) continue;
    findings.obstacles.push_back(fmt::format("{} has no symbol {}", mapping.path, kFunctions[i]));
    return;
  }
  // The kernel steps over a breakpoint on a push by itself; over what the public functions begin with it single-steps,
  // which costs several times as much. The early data that SSL_read_early_data hands out comes from there as well.
  if (const auto inner = common_callee(file->bytes(), kReads)) {
    for (const std::string_view outer : {"SSL_read", "SSL_read_ex", "SSL_read_early_data"})
      offsets->erase(std::string(outer));
    offsets->emplace(kInnerRead, *inner);
  }
  findings.libraries.push_back({.device = mapping.device,
                                .inode = mapping.inode,
                                .name = mapping.path,
                                .attach_path = path,
                                .offsets = *std::move(offsets)});
}

// What the program itself brings along.
void look_at_program(const std::string& path, const Mapping& mapping, Findings& findings) {
  const auto file = MappedFile::open(path);
  if (!file) return;
  if (has_section(file->bytes(), ".go.buildinfo")) {
    findings.obstacles.push_back(fmt::format("{} is a Go program, with Go's own TLS", mapping.path));
    return;
  }
  const auto offsets = function_offsets(file->bytes(), kFunctions);
  if (offsets && offsets->contains("SSL_read"))
    findings.obstacles.push_back(fmt::format("{} has OpenSSL or BoringSSL linked statically", mapping.path));
}

void look_at_process(const std::string& proc, pid_t pid, Findings& findings) {
  const auto text = discovery::read_file(fmt::format("{}/{}/maps", proc, pid));
  if (!text) return;
  const std::string program = discovery::read_link(fmt::format("{}/{}/exe", proc, pid)).value_or("");
  for (const Mapping& mapping : parse_maps(*text)) {
    if (!mapping.executable || !findings.seen.emplace(mapping.device, mapping.inode).second) continue;
    const std::string path = mapped_file(proc, pid, mapping);
    if (of_openssl(mapping.file_name())) {
      look_at_library(path, mapping, findings);
    } else if (const auto other = other_implementation(mapping.file_name())) {
      findings.obstacles.push_back(fmt::format("{} ({}) is mapped", *other, mapping.path));
    } else if (mapping.path == program) {
      look_at_program(path, mapping, findings);
    }
  }
}

}  // namespace

absl::StatusOr<std::vector<Library>> find_libraries(const std::string& proc, const std::vector<pid_t>& pids) {
  Findings findings;
  for (const pid_t pid : pids) look_at_process(proc, pid, findings);
  if (!findings.libraries.empty()) return std::move(findings.libraries);
  std::string found;
  for (const std::string& obstacle : findings.obstacles) found += (found.empty() ? "" : "; ") + obstacle;
  if (found.empty()) return absl::NotFoundError("tls: the service's processes map no TLS library that is known");
  return absl::UnimplementedError(
      fmt::format("tls: the service's processes use no OpenSSL library that can be probed: {}; {}", found, kRemedy));
}

}  // namespace gnomon::tls
