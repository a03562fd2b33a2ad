#include "agent/tls/maps.h"

#include <charconv>
#include <optional>

namespace gnomon::tls {
namespace {

constexpr std::string_view kDeleted = " (deleted)";

// Cuts off what comes before the first `end`; nothing if there is none.
std::optional<std::string_view> take_until(std::string_view& text, char end) {
  const std::size_t at = text.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view head = text.substr(0, at);
  text.remove_prefix(at + 1);
  return head;
}

bool number(std::optional<std::string_view> text, int base, std::uint64_t& value) {
  if (!text || text->empty()) return false;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value, base);
  return error == std::errc() && end == text->data() + text->size();
}

// "7f00-7f10 r-xp 00034000 08:01 1234      /usr/lib/libssl.so.3"
std::optional<Mapping> parse_line(std::string_view line) {
  Mapping mapping;
  if (!number(take_until(line, '-'), 16, mapping.begin) || !number(take_until(line, ' '), 16, mapping.end)) return {};
  const auto rights = take_until(line, ' ');
  if (!rights || rights->size() != 4 || !number(take_until(line, ' '), 16, mapping.offset)) return {};
  mapping.executable = (*rights)[2] == 'x';
  const auto device = take_until(line, ' ');
  if (!device || !number(take_until(line, ' '), 10, mapping.inode) || mapping.inode == 0) return {};
  mapping.device = *device;
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  if (line.empty() || line.front() != '/') return {};
  if (line.size() > kDeleted.size() && line.ends_with(kDeleted)) {
    mapping.deleted = true;
    line.remove_suffix(kDeleted.size());
  }
  mapping.path = line;
  return mapping;
}

}  // namespace

std::string_view Mapping::file_name() const {
  const std::string_view whole = path;
  return whole.substr(whole.rfind('/') + 1);
}

std::vector<Mapping> parse_maps(std::string_view text) {
  std::vector<Mapping> mappings;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (auto mapping = parse_line(text.substr(0, end))) mappings.push_back(std::move(*mapping));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return mappings;
}

}  // namespace gnomon::tls
