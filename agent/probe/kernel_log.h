#pragma once
// What libbpf says while it loads, kept for the error message instead of written to standard error.

#include <bpf/libbpf.h>

#include <deque>
#include <mutex>
#include <string>

namespace gnomon::probe {

// While one lives, libbpf's messages go to it. libbpf has one print function for the whole process, so a second one
// waits for the first to go.
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

  std::unique_lock<std::mutex> turn_;
  std::deque<std::string> lines_;
  libbpf_print_fn_t previous_;
};

}  // namespace gnomon::probe
