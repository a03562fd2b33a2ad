#include "agent/probe/kernel_log.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <sstream>
#include <string_view>
#include <utility>

namespace gnomon::probe {
namespace {

constexpr std::size_t kLines = 8;
constexpr std::size_t kLineBytes = 200;

constexpr std::string_view kPrefix = "libbpf: ";
// Beginnings of lines that say nothing beyond the others, or what does not help: no limit of memory is in the way.
constexpr std::array<std::string_view, 5> kNoNews = {"failed to load object", "failed to load BPF skeleton",
                                                     "permission error while running as root", "-- BEGIN PROG LOAD LOG",
                                                     "-- END PROG LOAD LOG"};

thread_local KernelLog* current = nullptr;  // for the callback, which takes no context and runs on the caller's thread

}  // namespace

KernelLog::KernelLog() : outer_(std::exchange(current, this)) {
  static std::once_flag installed;
  std::call_once(installed, [] { libbpf_set_print(&KernelLog::print); });
}

KernelLog::~KernelLog() {
  current = outer_;
}

int KernelLog::print(libbpf_print_level level, const char* format, va_list args) {
  if (level == LIBBPF_DEBUG) return 0;
  if (current == nullptr) return std::vfprintf(stderr, format, args);  // as libbpf does by itself
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
