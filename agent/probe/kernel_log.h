#pragma once
// What libbpf says while it loads, kept for the error message instead of written to standard error.

#include <bpf/libbpf.h>

#include <deque>
#include <string>

namespace gnomon::probe {

// While one lives, libbpf's messages to its thread go to it, but for the time of one that is made after it.
class KernelLog {
 public:
  KernelLog();
  ~KernelLog();
  KernelLog(const KernelLog&) = delete;
  KernelLog& operator=(const KernelLog&) = delete;

  // The last lines, joined by " | "; "nothing said" if there are none.
  std::string tail() const;

 private:
  static int print(libbpf_print_level level, const char* format, va_list args);
  void append(const std::string& text);

  KernelLog* const outer_;
  std::deque<std::string> lines_;
};

}  // namespace gnomon::probe
