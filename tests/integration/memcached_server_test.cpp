// The framer and the client against a real memcached: what clients say to one server is framed, and said by this side's
// client to a second.
#include "agent/protocol/memcached/memcached.h"
#include "gtest/gtest.h"
#include "tests/integration/conformance.h"

namespace gnomon::protocol {
namespace {

class MemcachedServer : public testing::Test {
 protected:
  void SetUp() override {
    if (program_path("memcached").empty()) GTEST_SKIP() << "needs memcached";
  }
  static std::vector<std::string> arguments(std::uint16_t port, const shadow::TemporaryDirectory&) {
    return {program_path("memcached"), "-u", "nobody", "-l", "127.0.0.1", "-p", std::to_string(port), "-U", "0"};
  }
  // Says it all at once; what the service says, up to the line that `last` begins.
  static std::string say(std::uint16_t port, const std::string& text, const std::string& last) {
    const std::string opened = "exec 3<>/dev/tcp/127.0.0.1/" + std::to_string(port);
    return output_of("timeout 20 bash -c '" + opened + "; printf \"" + text + "\" >&3; sed \"/^" + last + "/q\" <&3'");
  }
  static std::vector<Answer> replay(const std::vector<Request>& units, const Server& server) {
    return Dialogue(server.port(), memcached()).exchange(units);
  }
};

const std::string kText =
    "set a 1 0 5\r\nhello\r\nadd a 0 0 1\r\nx\r\nadd b 0 0 1\r\n7\r\nreplace a 2 0 5\r\nworld\r\nappend a 0 0 "
    "1\r\n!\r\n"
    "prepend a 0 0 1\r\n?\r\ngets a b\r\ncas b 0 0 1 999999\r\n9\r\nincr b 5\r\ndecr b 2\r\nincr none 1\r\nincr a 1\r\n"
    "touch a 100\r\ngat 100 a b\r\ngats 100 a\r\ndelete none\r\nset c 0 0 3 noreply\r\nget\r\ndelete c noreply\r\n"
    "set d 0 -1 1 noreply\r\nx\r\nget a b c d\r\nstats\r\nstats items\r\nstats slabs\r\nstats settings\r\nstats "
    "reset\r\n"
    "version\r\n";

TEST_F(MemcachedServer, AnswersEveryTextCommandAsTheFirstDid) {
  const Server first(arguments), second(arguments);
  const RecordingProxy proxy(first.port());
  const std::string said = say(proxy.port(), kText, "VERSION");
  const auto connections = frame(proxy, memcached());
  ASSERT_EQ(connections.size(), 1u);
  const auto& units = connections[0];
  ASSERT_EQ(units.size(), 26u) << said;
  const auto answers = replay(units, second);
  ASSERT_EQ(answers.size(), units.size()) << said;
  for (std::size_t i = 0; i < units.size(); ++i)
    EXPECT_EQ(answers[i].error, units[i].bytes->starts_with("incr a")) << *units[i].bytes;
  const std::string question = "get a b c d\r\nmn\r\n";
  EXPECT_EQ(say(first.port(), question, "MN"), say(second.port(), question, "MN"));
  EXPECT_NE(say(second.port(), question, "MN").find("?world!"), std::string::npos);
}

const std::string kMeta =
    "ms a 5 T100 F3\r\nhello\r\nms b 2 q\r\nhi\r\nms c 2 q\r\nhi\r\nmn\r\nmg a v k f t s c Oabc\r\nmg none v\r\nmg a v "
    "q k\r\n"
    "mg none v q k\r\nmg b v q k\r\nmn\r\nmg a\r\nma n N0 J5 v\r\nma n v\r\nmd c q\r\nmd none q\r\nmd none\r\nmg YQ== "
    "b v k\r\n"
    "ms a 1 MA\r\n!\r\nms a 1 C1\r\nx\r\nmg n N30 v\r\nme a\r\nme none\r\nmg a v q\r\nmg none v q\r\nget a\r\nmn\r\n";

TEST_F(MemcachedServer, AnswersEveryMetaCommandQuietOrNot) {
  const Server first(arguments), second(arguments);
  const RecordingProxy proxy(first.port());
  const std::string said = say(proxy.port(), kMeta + "version\r\n", "VERSION");
  const auto connections = frame(proxy, memcached());
  ASSERT_EQ(connections.size(), 1u);
  const auto& units = connections[0];
  const auto answers = replay(units, second);
  ASSERT_EQ(answers.size(), units.size()) << said;
  EXPECT_EQ(errors(answers), 0u) << said;
  EXPECT_EQ(said.find("ERROR"), std::string::npos) << said;
  const std::string question = "get a b c n\r\nmn\r\n";
  EXPECT_EQ(say(first.port(), question, "MN"), say(second.port(), question, "MN"));
  std::size_t size = 0;
  for (const Answer& answer : answers) size += answer.size;
  std::string expected;  // what the first said, without signs
  for (std::size_t at = 0, end = 0; at < said.size(); at = end) {
    end = said.find('\n', at) + 1;
    if (said.compare(at, end - at, "MN\r\n") != 0) expected += said.substr(at, end - at);
  }
  EXPECT_EQ(size, expected.size()) << said;
}

TEST_F(MemcachedServer, AnswersALoadOfMemcaslap) {
  if (program_path("memcaslap").empty()) GTEST_SKIP() << "needs libmemcached-tools";
  const Server first(arguments), second(arguments);
  const RecordingProxy proxy(first.port());
  const std::string printed =
      output_of("memcaslap -s 127.0.0.1:" + std::to_string(proxy.port()) + " -T 1 -c 2 -x 500 -X 100");
  std::size_t answered = 0;
  for (const auto& connection : frame(proxy, memcached())) {
    if (connection.empty()) continue;
    const auto answers = replay(connection, second);
    EXPECT_EQ(answers.size(), connection.size());
    EXPECT_EQ(errors(answers), 0u);
    answered += answers.size();
  }
  EXPECT_GE(answered, 500u) << printed;
}

}  // namespace
}  // namespace gnomon::protocol
