#pragma once
// The little that is asked of an ELF file: where its functions are, and whether Go made it. Pure; the file is foreign.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gnomon::tls {

// For each of `names` that the file defines as a function, its offset in the file in bytes, as uprobes want it. Looks
// in .dynsym, and in .symtab if there is one. Nothing if the file is no ELF64 file for x86-64.
std::optional<std::map<std::string, std::uint64_t>> function_offsets(std::span<const std::byte> file,
                                                                     std::span<const std::string_view> names);

// The offset in the file of the one function that all of `callers` call, or jump to, with a 32-bit displacement, and
// that begins with a push: of that push, past an ENDBR64. Nothing if there is none, or several.
std::optional<std::uint64_t> common_callee(std::span<const std::byte> file, std::span<const std::string_view> callers);

// Whether the file has a section of that name.
bool has_section(std::span<const std::byte> file, std::string_view name);

}  // namespace gnomon::tls
