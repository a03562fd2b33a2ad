#include "cli/render/responses.h"

#include <algorithm>

#include "cli/render/table.h"
#include "cli/render/text.h"
#include "fmt/format.h"
#include "fmt/ranges.h"

namespace gnomon::cli {
namespace {

// Why a response is not compared.
struct Cause {
  const char* name;
  std::uint64_t (v1::ResponseComparison::*count)() const;
  const char* meaning;
};
constexpr Cause kCauses[] = {
    {"lost", &v1::ResponseComparison::lost, "not all that was to be captured of production's response was"},
    {"truncated", &v1::ResponseComparison::truncated,
     "nothing differs as far as it was captured; a higher shadow.compare_bytes compares more"},
    {"unpaired", &v1::ResponseComparison::unpaired,
     "which of production's responses answers the request is not certain"},
    {"unanswered", &v1::ResponseComparison::unanswered, "the shadow gave no whole response in time"},
    {"unsupported", &v1::ResponseComparison::unsupported, "where an answer ends cannot be told in this protocol"},
    {"too many", &v1::ResponseComparison::too_many, "the memory for responses that wait to be compared was full"}};

std::uint64_t differing(const v1::ResponseComparison& responses) {
  return responses.other_status() + responses.other_size() + responses.other_body();
}

// Of all classes.
v1::ResponseComparison total(const v1::SessionStatus& status) {
  v1::ResponseComparison sum;
  for (const v1::ResponseComparison& responses : status.responses()) {
    sum.set_same(sum.same() + responses.same());
    sum.set_other_status(sum.other_status() + responses.other_status());
    sum.set_other_size(sum.other_size() + responses.other_size());
    sum.set_other_body(sum.other_body() + responses.other_body());
    sum.set_lost(sum.lost() + responses.lost());
    sum.set_truncated(sum.truncated() + responses.truncated());
    sum.set_unpaired(sum.unpaired() + responses.unpaired());
    sum.set_unanswered(sum.unanswered() + responses.unanswered());
    sum.set_unsupported(sum.unsupported() + responses.unsupported());
    sum.set_too_many(sum.too_many() + responses.too_many());
  }
  return sum;
}

// "3 lost, 1 unpaired"; empty: all are compared.
std::string not_compared(const v1::ResponseComparison& responses) {
  std::vector<std::string> causes;
  for (const Cause& cause : kCauses)
    if (const std::uint64_t count = (responses.*cause.count)(); count > 0)
      causes.push_back(fmt::format("{} {}", count, cause.name));
  return fmt::format("{}", fmt::join(causes, ", "));
}

std::vector<v1::ResponseComparison> sorted(const v1::SessionStatus& status) {
  std::vector<v1::ResponseComparison> rows(status.responses().begin(), status.responses().end());
  std::ranges::stable_sort(rows, std::ranges::greater(), differing);
  return rows;
}

// "GET 20, EXISTS 3, and 2 more classes".
std::string where_differing(const v1::SessionStatus& status) {
  constexpr std::size_t kNamed = 3;
  std::vector<std::string> classes;
  for (const v1::ResponseComparison& responses : sorted(status))
    if (differing(responses) > 0)
      classes.push_back(fmt::format("{} {}", printable(responses.endpoint()), differing(responses)));
  if (classes.size() > kNamed + 1) {
    const std::size_t more = classes.size() - kNamed;
    classes.resize(kNamed);
    classes.push_back(fmt::format("and {} more classes", more));
  }
  return fmt::format("{}", fmt::join(classes, ", "));
}

std::string or_dash(std::uint64_t count) {
  return count > 0 ? std::to_string(count) : "-";
}

}  // namespace

std::vector<ResponseRow> response_rows(const v1::SessionStatus& status) {
  std::vector<ResponseRow> rows;
  for (const v1::ResponseComparison& responses : sorted(status)) {
    const std::string causes = not_compared(responses);
    rows.push_back({.endpoint = responses.endpoint(),
                    .same = responses.same(),
                    .other_status = responses.other_status(),
                    .other_size = responses.other_size(),
                    .other_body = responses.other_body(),
                    .not_compared = causes.empty() ? "-" : causes});
  }
  return rows;
}

std::vector<std::string> response_notes(const v1::SessionStatus& status) {
  const v1::ResponseComparison all = total(status);
  std::vector<std::string> notes;
  if (all.other_size() + all.other_body() > 0)
    notes.emplace_back(
        "other size, other body: also of what holds a time or a random number, or depends on writes that "
        "are not replayed");
  for (const Cause& cause : kCauses)
    if ((all.*cause.count)() > 0) notes.push_back(fmt::format("{}: {}", cause.name, cause.meaning));
  return notes;
}

std::string responses_text(const v1::SessionStatus& status) {
  if (!status.responses_problem().empty())
    return fmt::format("responses are not compared: {}\n", printable(status.responses_problem()));
  if (status.responses().empty()) return "";
  Table table({"RESPONSES TO", "SAME", "OTHER STATUS", "OTHER SIZE", "OTHER BODY", "NOT COMPARED"});
  table.right({1, 2, 3, 4});
  for (const ResponseRow& row : response_rows(status))
    table.add({printable(row.endpoint), or_dash(row.same), or_dash(row.other_status), or_dash(row.other_size),
               or_dash(row.other_body), row.not_compared});
  std::string text = table.render();
  for (const std::string& note : response_notes(status)) text += "  " + note + "\n";
  return text;
}

std::string responses_summary(const v1::SessionStatus& status) {
  if (!status.responses_problem().empty()) return "not compared: " + printable(status.responses_problem());
  if (status.responses().empty()) return "";
  const v1::ResponseComparison all = total(status);
  const std::uint64_t different = differing(all);
  std::string text =
      fmt::format("of {} compared {} {} from production's", all.same() + different,
                  different == 0 ? "none" : std::to_string(different), different > 1 ? "differ" : "differs");
  if (different > 0) text += fmt::format(" ({})", where_differing(status));
  if (const std::string causes = not_compared(all); !causes.empty()) text += fmt::format("; not compared: {}", causes);
  return text;
}

}  // namespace gnomon::cli
