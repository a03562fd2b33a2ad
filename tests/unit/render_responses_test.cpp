#include "cli/render/report_html.h"
#include "cli/render/responses.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/unit/synthetic_session.h"

namespace gnomon::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::ResponseComparison& add(v1::SessionStatus& status, const char* endpoint, std::uint64_t same) {
  v1::ResponseComparison& responses = *status.add_responses();
  responses.set_endpoint(endpoint);
  responses.set_same(same);
  return responses;
}

v1::SessionStatus compared() {
  v1::SessionStatus status;
  add(status, "GET", 100);
  add(status, "LRANGE", 0).set_truncated(7);
  v1::ResponseComparison& most = add(status, "STRLEN <b>", 2);
  most.set_other_status(3);
  most.set_other_body(4);
  most.set_lost(1);
  return status;
}

TEST(Responses, WhatDiffersComesFirstAndWhatOccursIsExplained) {
  EXPECT_EQ(responses_text(compared()),
            "RESPONSES TO  SAME  OTHER STATUS  OTHER SIZE  OTHER BODY  NOT COMPARED\n"
            "STRLEN <b>       2             3           -           4  1 lost\n"
            "GET            100             -           -           -  -\n"
            "LRANGE           -             -           -           -  7 truncated\n"
            "  other size, other body: also of what holds a time or a random number, or depends on writes that are not "
            "replayed\n"
            "  lost: not all that was to be captured of production's response was\n"
            "  truncated: nothing differs as far as it was captured; a higher shadow.compare_bytes compares more\n");
}

TEST(Responses, OneLineSaysHowManyDifferAndWhere) {
  EXPECT_EQ(responses_summary(compared()),
            "of 109 compared 7 differ from production's (STRLEN <b> 7); not compared: 1 lost, 7 truncated");
  v1::SessionStatus status;
  EXPECT_EQ(responses_summary(status), "");
  add(status, "GET", 5);
  EXPECT_EQ(responses_summary(status), "of 5 compared none differs from production's");
  status.mutable_responses(0)->set_other_size(1);
  EXPECT_EQ(responses_summary(status), "of 6 compared 1 differs from production's (GET 1)");
  add(status, "PING", 0).set_other_body(2);
  EXPECT_EQ(responses_summary(status), "of 8 compared 3 differ from production's (PING 2, GET 1)");
  for (const char* endpoint : {"A", "B", "C"}) add(status, endpoint, 0).set_other_status(1);
  EXPECT_EQ(responses_summary(status),
            "of 11 compared 6 differ from production's (PING 2, GET 1, A 1, and 2 more classes)");
  status.set_responses_problem("it is under TLS");
  EXPECT_EQ(responses_summary(status), "not compared: it is under TLS");
  EXPECT_EQ(responses_text(status), "responses are not compared: it is under TLS\n");
}

TEST(Responses, AreATableOfTheReport) {
  v1::SessionEvent event;
  *event.mutable_session() = synthetic_session();
  EXPECT_THAT(report_html(synthetic_view(), "1"), Not(HasSubstr("against production")));
  *event.mutable_session()->mutable_status() = compared();
  SessionView view;
  view.add(event);
  const std::string page = report_html(view, "1");
  EXPECT_THAT(page, HasSubstr("of 109 compared 7 differ"));
  EXPECT_THAT(page, HasSubstr("<td>STRLEN &lt;b&gt;</td><td class='number'>2</td><td class='number'>3</td><td "
                              "class='number'>0</td><td class='number'>4</td><td>1 lost</td>"));
  EXPECT_THAT(page, HasSubstr("<p>truncated: nothing differs"));
}

}  // namespace
}  // namespace gnomon::cli
