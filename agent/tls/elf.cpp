#include "agent/tls/elf.h"

#include <elf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <set>
#include <vector>

namespace gnomon::tls {
namespace {

using File = std::span<const std::byte>;

// The object of type T at `offset`; nothing if it is not wholly in the file.
template <class T>
std::optional<T> at(File file, std::uint64_t offset) {
  if (offset > file.size() || file.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, file.data() + offset, sizeof(T));
  return value;
}

// A part of the file, cut where the file ends.
File part(File file, std::uint64_t offset, std::uint64_t size) {
  if (offset > file.size()) return {};
  return file.subspan(offset, std::min<std::uint64_t>(size, file.size() - offset));
}

// The text from `offset` to the next zero byte; empty if there is none.
std::string_view text_at(File strings, std::uint64_t offset) {
  if (offset >= strings.size()) return {};
  const char* const begin = reinterpret_cast<const char*>(strings.data()) + offset;
  const void* const end = std::memchr(begin, 0, strings.size() - offset);
  return end ? std::string_view(begin, static_cast<const char*>(end)) : std::string_view();
}

std::optional<Elf64_Ehdr> header_of(File file) {
  const auto header = at<Elf64_Ehdr>(file, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) return std::nullopt;
  if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB) return std::nullopt;
  if (header->e_machine != EM_X86_64) return std::nullopt;
  return header;
}

// The entries of a table whose entries are T, as far as they are in the file.
template <class T>
std::vector<T> table(File file, std::uint64_t offset, std::uint64_t count) {
  std::vector<T> entries;
  const File bytes = part(file, offset, file.size());
  entries.resize(std::min<std::uint64_t>(count, bytes.size() / sizeof(T)));
  if (!entries.empty()) std::memcpy(entries.data(), bytes.data(), entries.size() * sizeof(T));
  return entries;
}

std::vector<Elf64_Shdr> sections_of(File file, const Elf64_Ehdr& header) {
  if (header.e_shentsize != sizeof(Elf64_Shdr)) return {};
  return table<Elf64_Shdr>(file, header.e_shoff, header.e_shnum);
}

// The executable segment that holds the byte loaded at `address`.
const Elf64_Phdr* code_segment(const std::vector<Elf64_Phdr>& segments, std::uint64_t address) {
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    if (address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz) return &segment;
  }
  return nullptr;
}

struct Function {
  std::uint64_t offset = 0, size = 0;          // in the file, bytes
  std::uint64_t code_begin = 0, code_end = 0;  // the segment's
};

std::map<std::string, Function> functions(File file, const Elf64_Ehdr& header,
                                          std::span<const std::string_view> names) {
  const auto segments = table<Elf64_Phdr>(file, header.e_phoff, header.e_phnum);
  const std::vector<Elf64_Shdr> sections = sections_of(file, header);
  std::map<std::string, Function> found;
  for (const Elf64_Shdr& section : sections) {
    if (section.sh_type != SHT_DYNSYM && section.sh_type != SHT_SYMTAB) continue;
    if (section.sh_entsize != sizeof(Elf64_Sym) || section.sh_link >= sections.size()) continue;
    const Elf64_Shdr& names_section = sections[section.sh_link];
    const File strings = part(file, names_section.sh_offset, names_section.sh_size);
    const std::uint64_t count = part(file, section.sh_offset, section.sh_size).size() / sizeof(Elf64_Sym);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto symbol = at<Elf64_Sym>(file, section.sh_offset + i * sizeof(Elf64_Sym));
      if (!symbol || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || symbol->st_shndx == SHN_UNDEF) continue;
      const std::string_view name = text_at(strings, symbol->st_name);
      if (std::find(names.begin(), names.end(), name) == names.end()) continue;
      if (const Elf64_Phdr* const segment = code_segment(segments, symbol->st_value))
        found.emplace(name, Function{.offset = symbol->st_value - segment->p_vaddr + segment->p_offset,
                                     .size = symbol->st_size,
                                     .code_begin = segment->p_offset,
                                     .code_end = segment->p_offset + segment->p_filesz});
    }
  }
  return found;
}

// Where the function's calls and jumps with a 32-bit displacement lead, within its segment. Instructions are not told
// apart: some of these are none.
std::set<std::uint64_t> targets(File file, const Function& function) {
  constexpr std::size_t kBytes = 5;
  std::set<std::uint64_t> found;
  const File code = part(file, function.offset, function.size);
  for (std::size_t i = 0; i + kBytes <= code.size(); ++i) {
    if (code[i] != std::byte{0xe8} && code[i] != std::byte{0xe9}) continue;
    std::int32_t displacement = 0;
    std::memcpy(&displacement, code.data() + i + 1, sizeof(displacement));
    const std::uint64_t target = function.offset + i + kBytes + static_cast<std::uint64_t>(std::int64_t{displacement});
    if (target >= function.code_begin && target < function.code_end) found.insert(target);
  }
  return found;
}

// Where a function that begins at `offset` pushes a register, if that comes first; an ENDBR64 does not count.
std::optional<std::uint64_t> first_push(File file, std::uint64_t offset) {
  constexpr std::uint32_t kEndbr64 = 0xfa1e0ff3;
  if (at<std::uint32_t>(file, offset) == kEndbr64) offset += sizeof(kEndbr64);
  const auto is_push = [](std::uint8_t opcode) { return opcode >= 0x50 && opcode <= 0x57; };
  const auto bytes = at<std::array<std::uint8_t, 2>>(file, offset);
  if (!bytes) return std::nullopt;
  const auto [first, second] = *bytes;
  return is_push(first) || (first == 0x41 && is_push(second)) ? std::optional(offset) : std::nullopt;
}

}  // namespace

std::optional<std::map<std::string, std::uint64_t>> function_offsets(File file,
                                                                     std::span<const std::string_view> names) {
  const auto header = header_of(file);
  if (!header || header->e_phentsize != sizeof(Elf64_Phdr)) return std::nullopt;
  std::map<std::string, std::uint64_t> offsets;
  for (const auto& [name, function] : functions(file, *header, names)) offsets.emplace(name, function.offset);
  return offsets;
}

std::optional<std::uint64_t> common_callee(File file, std::span<const std::string_view> callers) {
  const auto header = header_of(file);
  if (!header || header->e_phentsize != sizeof(Elf64_Phdr)) return std::nullopt;
  const auto found = functions(file, *header, callers);
  if (found.size() != callers.size()) return std::nullopt;
  std::map<std::uint64_t, std::size_t> called;  // target → by how many of them
  for (const auto& [name, function] : found)
    for (const std::uint64_t target : targets(file, function)) ++called[target];
  std::vector<std::uint64_t> common;
  for (const auto& [target, callers_of] : called)
    if (const auto push = first_push(file, target); push && callers_of == found.size()) common.push_back(*push);
  return common.size() == 1 ? std::optional(common.front()) : std::nullopt;
}

bool has_section(std::span<const std::byte> file, std::string_view name) {
  const auto header = header_of(file);
  if (!header) return false;
  const std::vector<Elf64_Shdr> sections = sections_of(file, *header);
  if (header->e_shstrndx >= sections.size()) return false;
  const Elf64_Shdr& names = sections[header->e_shstrndx];
  const File strings = part(file, names.sh_offset, names.sh_size);
  return std::any_of(sections.begin(), sections.end(),
                     [&](const Elf64_Shdr& section) { return text_at(strings, section.sh_name) == name; });
}

}  // namespace gnomon::tls
