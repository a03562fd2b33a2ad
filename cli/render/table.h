#pragma once
// Columns of text, aligned for a terminal. ASCII in, ASCII out.

#include <string>
#include <vector>

namespace gnomon::cli {

class Table {
 public:
  explicit Table(std::vector<std::string> head) : rows_{std::move(head)} {}
  // These columns are aligned right (numbers).
  Table& right(std::vector<std::size_t> columns);
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  // Lines end in '\n' and have no trailing blanks. Control characters in cells become '?'.
  std::string render() const;

 private:
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> right_;
};

}  // namespace gnomon::cli
