#include "agent/tls/elf.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <optional>
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

// Where in the file the byte is that is loaded at `address`.
std::optional<std::uint64_t> file_offset(const std::vector<Elf64_Phdr>& segments, std::uint64_t address) {
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    if (address >= segment.p_vaddr && address - segment.p_vaddr < segment.p_filesz)
      return address - segment.p_vaddr + segment.p_offset;
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::map<std::string, std::uint64_t>> function_offsets(std::span<const std::byte> file,
                                                                      std::span<const std::string_view> names) {
  const auto header = header_of(file);
  if (!header || header->e_phentsize != sizeof(Elf64_Phdr))
    return absl::InvalidArgumentError("not an ELF file of a 64-bit x86 program");
  const auto segments = table<Elf64_Phdr>(file, header->e_phoff, header->e_phnum);
  const std::vector<Elf64_Shdr> sections = sections_of(file, *header);
  std::map<std::string, std::uint64_t> offsets;
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
      if (const auto offset = file_offset(segments, symbol->st_value)) offsets.emplace(name, *offset);
    }
  }
  return offsets;
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
