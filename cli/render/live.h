#pragma once
// A running session, now: a table to redraw on a terminal, a line for everything else.

#include <string>

#include "cli/render/session_view.h"

namespace gnomon::cli {

// Several lines, each ending in '\n'.
std::string live_table(const SessionView& view);
// One line without '\n'.
std::string live_line(const SessionView& view);

// Redraws a block of lines in place on a terminal (ANSI cursor movement): the text to write, given what is to be shown.
class Redraw {
 public:
  std::string frame(const std::string& lines);

 private:
  int shown_ = 0;
};

}  // namespace gnomon::cli
