#include "cli/follow.h"

#include <poll.h>

#include <algorithm>
#include <chrono>

#include "cli/watch.h"

namespace gnomon::cli {
namespace {

constexpr auto kShowEvery = std::chrono::seconds(1);

absl::Status stop_session(Client& client, const std::string& id) {
  v1::StopSessionRequest request;
  request.set_id(id);
  return client.call(&Client::Stub::StopSession, request).status();
}

// Waits for a signal, news or the time to draw again.
absl::Status wait(const StopSignals& signals, const Watch& watch, std::chrono::steady_clock::time_point until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
  pollfd fds[] = {{.fd = signals.fd(), .events = POLLIN, .revents = 0},
                  {.fd = watch.fd(), .events = POLLIN, .revents = 0}};
  if (::poll(fds, 2, static_cast<int>(std::max<std::int64_t>(0, left.count()))) < 0 && errno != EINTR)
    return errno_status("poll");
  return absl::OkStatus();
}

}  // namespace

void Display::show(const SessionView& view) {
  const std::string text = terminal_ ? redraw_.frame(live_table(view)) : live_line(view) + "\n";
  std::fputs(text.c_str(), out_);
  std::fflush(out_);
}

absl::StatusOr<Followed> follow(Client& client, const std::string& session, StopSignals& signals, Display& display) {
  ASSIGN_OR_RETURN(const auto watch, Watch::start(client, session));
  Followed followed;
  auto next_show = std::chrono::steady_clock::now() + kShowEvery;
  while (true) {
    RETURN_IF_ERROR(wait(signals, *watch, next_show));
    if (!followed.stopped && signals.take()) {
      followed.stopped = true;
      signals.restore();
      std::fputs("gnomon: stopping; what was measured is judged (again to end at once)\n", stderr);
      RETURN_IF_ERROR(stop_session(client, session));
    }
    const Watch::News news = watch->take();
    for (const v1::SessionEvent& event : news.events) followed.view.add(event);
    if (news.ended) {
      display.show(followed.view);
      if (has_ended(followed.view.session().status().state())) return followed;
      return news.status.ok() ? absl::UnavailableError("the coordinator ended the watch before the session had ended")
                              : news.status;
    }
    if (std::chrono::steady_clock::now() < next_show) continue;
    display.show(followed.view);
    next_show += kShowEvery;
  }
}

}  // namespace gnomon::cli
