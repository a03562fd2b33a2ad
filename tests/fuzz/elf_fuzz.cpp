// The reader of ELF files on arbitrary ones: no offset that it gives lies outside of the file, and what it finds is
// found again.
#include <array>
#include <cstdint>
#include <cstdlib>

#include "agent/tls/elf.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gnomon::tls;
  constexpr std::array<std::string_view, 2> kNames = {"SSL_read", "SSL_read_ex"};
  const std::span file(reinterpret_cast<const std::byte*>(data), size);
  const auto offsets = function_offsets(file, kNames);
  const auto callee = common_callee(file, kNames);
  has_section(file, ".go.buildinfo");
  if (callee && (*callee >= size || !offsets || offsets->size() != kNames.size())) std::abort();
  if (offsets != function_offsets(file, kNames)) std::abort();
  return 0;
}
