#include "agent/probe/kernel_log.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <sstream>
#include <string_view>

namespace gnomon::probe {
namespace {

constexpr std::size_t kLines = 8;
constexpr std::size_t kLineBytes = 200;

constexpr std::string_view kPrefix = "libbpf: ";
// Beginnings of lines that say nothing beyond the others, or what does not help: no limit of memory is in the way.
constexpr std::array<std::string_view, 5> kNoNews = {"failed to load object", "failed to load BPF skeleton",
                                                     "permission error while running as root", "-- BEGIN PROG LOAD LOG",
                                                     "-- END PROG LOAD LOG"};

std::mutex one_load;
KernelLog* current = nullptr;  // guarded by one_load, for the callback that takes no context

}  // namespace

KernelLog::KernelLog() : turn_(one_load) {
  current = this;
  previous_ = libbpf_set_print(&KernelLog::print);
}

KernelLog::~KernelLog() {
  libbpf_set_print(previous_);
  current = nullptr;
}

int KernelLog::print(libbpf_print_level level, const char* format, va_list args) {
  if (level == LIBBPF_DEBUG || current == nullptr) return 0;
  // Large enough for the end of a verifier log, which arrives as one message.
  std::array<char, 1 << 16> buffer{};
  const int written = std::vsnprintf(buffer.data(), buffer.size(), format, args);
  if (written > 0) current->append(buffer.data());
  return written;
}

void KernelLog::append(const std::string& text) {
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    std::string_view news = line;
    if (news.starts_with(kPrefix)) news.remove_prefix(kPrefix.size());
    const auto begins = [&](std::string_view beginning) { return news.starts_with(beginning); };
    if (news.empty() || std::ranges::any_of(kNoNews, begins)) continue;
    lines_.emplace_back(news.substr(0, kLineBytes));
    if (lines_.size() > kLines) lines_.pop_front();
  }
}

std::string KernelLog::tail() const {
  if (lines_.empty()) return "nothing said";
  std::string all;
  for (const std::string& line : lines_) all += (all.empty() ? "" : " | ") + line;
  return all;
}

}  // namespace gnomon::probe
