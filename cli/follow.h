#pragma once
// Watching a session to its end, with a live view and with Ctrl-C.

#include <cstdio>
#include <string>

#include "cli/client.h"
#include "cli/render/live.h"
#include "cli/render/session_view.h"
#include "cli/signals.h"

namespace gnomon::cli {

// Shows a running session: redrawn on a terminal, one line a call on anything else.
class Display {
 public:
  Display(std::FILE* out, bool terminal) : out_(out), terminal_(terminal) {}
  void show(const SessionView& view);

 private:
  std::FILE* out_;
  bool terminal_;
  Redraw redraw_;
};

struct Followed {
  SessionView view;
  bool stopped = false;  // by a signal
};

// Returns when the session has ended and its last event has come. The first signal stops the session (what was measured
// is judged); a second one ends the process at once.
absl::StatusOr<Followed> follow(Client& client, const std::string& session, StopSignals& signals, Display& display);

}  // namespace gnomon::cli
