#include "cli/render/egress.h"

#include "cli/render/text.h"
#include "fmt/format.h"

namespace gnomon::cli {

std::string egress_text(const v1::SessionStatus& status) {
  std::string text;
  for (const v1::EgressAttempt& attempt : status.egress()) {
    // What needs a socket of a kind that is refused has no destination yet.
    const std::string what = attempt.destination() == "*" ? "anything" : printable(attempt.destination());
    text += fmt::format("this shadow wanted to reach {}{}, {} {} ({})\n", what,
                        attempt.transport().empty() ? "" : " by " + printable(attempt.transport()), attempt.attempts(),
                        attempt.attempts() == 1 ? "time" : "times", printable(attempt.action()));
  }
  return text;
}

}  // namespace gnomon::cli
