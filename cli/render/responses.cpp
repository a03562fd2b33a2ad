#include "cli/render/responses.h"

#include <iterator>

#include "cli/render/table.h"
#include "cli/render/text.h"
#include "fmt/format.h"

namespace gnomon::cli {
namespace {

struct Column {
  const char* name;
  std::uint64_t (v1::ResponseComparison::*count)() const;
};
constexpr Column kDifferent[] = {{"OTHER STATUS", &v1::ResponseComparison::other_status},
                                 {"OTHER SIZE", &v1::ResponseComparison::other_size},
                                 {"OTHER BODY", &v1::ResponseComparison::other_body}};
constexpr Column kNotCompared[] = {{"lost", &v1::ResponseComparison::lost},
                                   {"truncated", &v1::ResponseComparison::truncated},
                                   {"unpaired", &v1::ResponseComparison::unpaired},
                                   {"unanswered", &v1::ResponseComparison::unanswered},
                                   {"unsupported", &v1::ResponseComparison::unsupported},
                                   {"too many", &v1::ResponseComparison::too_many}};

template <std::size_t N>
std::uint64_t sum(const v1::ResponseComparison& responses, const Column (&columns)[N]) {
  std::uint64_t sum = 0;
  for (const Column& column : columns) sum += (responses.*column.count)();
  return sum;
}

// "3 lost, 1 unpaired", or "-".
std::string not_compared(const v1::ResponseComparison& responses) {
  std::string text;
  for (const Column& column : kNotCompared)
    if (const std::uint64_t count = (responses.*column.count)(); count > 0)
      text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, column.name);
  return text.empty() ? "-" : text;
}

}  // namespace

std::string responses_text(const v1::SessionStatus& status) {
  if (!status.responses_problem().empty())
    return fmt::format("responses are not compared: {}\n", printable(status.responses_problem()));
  if (status.responses().empty()) return "";
  Table table({"RESPONSES TO", "SAME", kDifferent[0].name, kDifferent[1].name, kDifferent[2].name, "NOT COMPARED"});
  table.right({1, 2, 3, 4});
  for (const v1::ResponseComparison& responses : status.responses()) {
    std::vector<std::string> row = {printable(responses.endpoint()), std::to_string(responses.same())};
    for (const Column& column : kDifferent) row.push_back(std::to_string((responses.*column.count)()));
    row.push_back(not_compared(responses));
    table.add(std::move(row));
  }
  return table.render();
}

std::string responses_summary(const v1::SessionStatus& status) {
  if (!status.responses_problem().empty()) return "not compared: " + printable(status.responses_problem());
  if (status.responses().empty()) return "";
  std::uint64_t same = 0, different = 0, others = 0;
  for (const v1::ResponseComparison& responses : status.responses()) {
    same += responses.same();
    different += sum(responses, kDifferent);
    others += sum(responses, kNotCompared);
  }
  return fmt::format("of {} compared {} {} from production's; {} could not be compared", same + different, different,
                     different == 1 ? "differs" : "differ", others);
}

}  // namespace gnomon::cli
