#pragma once
// What a client and two services, production and a shadow, say in each protocol whose responses are compared.

#include <string>
#include <vector>

#include "agent/protocol/http1/http1.h"
#include "agent/protocol/http2/http2.h"
#include "agent/protocol/memcached/memcached.h"
#include "agent/protocol/postgres/postgres.h"
#include "agent/protocol/redis/redis.h"
#include "tests/unit/http2_client_side.h"
#include "tests/unit/postgres_messages.h"

namespace gnomon::compare {

struct Conversation {
  const protocol::Protocol* protocol;
  std::string asked;     // by production's client
  std::string said;      // by production
  std::string shadow;    // by the shadow to the replayer's client, meaning the same
  std::size_t requests;  // in what was asked
};

inline std::string bulk(const std::string& value) {
  return "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
}

inline Conversation redis_conversation() {
  const std::string replies =
      "+OK\r\n+OK\r\n"  // AUTH, SELECT: no requests of their own
      "+PONG\r\n>2\r\n+invalidate\r\n$1\r\nb\r\n" +
      bulk("hello\r\nyou") +                                                // with a push between them
      "+OK\r\n$-1\r\n+OK\r\n+QUEUED\r\n*2\r\n:1\r\n*1\r\n-WRONGTYPE x\r\n"  // WATCH … EXEC
      "|1\r\n+ttl\r\n:1\r\n%1\r\n+k\r\n*2\r\n" +
      bulk("") + bulk("v") +  // HGETALL
      "-ERR unknown command\r\n!21\r\nSYNTAX invalid syntax\r\n";
  return {&protocol::redis(),
          "AUTH user secret\r\nSELECT 2\r\nPING\r\nGET k\r\nWATCH k\r\nGET k\r\nMULTI\r\nINCR n\r\nEXEC\r\n"
          "HGETALL h\r\nLLEN k\r\nLLEN k\r\n",
          replies, replies, 6};
}

inline Conversation memcached_conversation() {
  const std::string replies =
      "VALUE a 0 5\r\nEND\r\n\r\nVALUE b 0 0\r\n\r\nEND\r\n"  // of two keys
      "VA 5 s5\r\nhello\r\nMN\r\n"                            // of quiet ones
      "CLIENT_ERROR cannot increment\r\nSTAT pid 1\r\nSTAT uptime 2\r\nEND\r\nEN\r\n";
  return {&protocol::memcached(),
          "set a 0 0 1 noreply\r\nx\r\nget a b\r\nmg a v s q\r\nmg none v q\r\nmn\r\nincr a 1\r\nstats\r\nmg c\r\n",
          replies, "MN\r\n" + replies, 6};
}

inline Conversation postgres_conversation() {
  using namespace protocol::pg;
  const std::string ready = message('Z', "I"), rows = message('T', "row description") + message('D', "first row") +
                                                      message('N', "notice\0"s) + message('D', "second") +
                                                      message('C', "SELECT 2\0"s);
  const std::string start =
      message('R', "\0\0\0\0"s) + message('S', "TimeZone\0UTC\0"s) + message('K', "12345678") + ready;
  const std::string replies = rows + ready + message('1') + message('2') + rows + ready + message('C', "BEGIN\0"s) +
                              message('Z', "T") + message('E', "SERROR\0VERROR\0C42P01\0Mno such table\0\0"s) +
                              message('Z', "E") + message('C', "ROLLBACK\0"s) + ready + message('I') + ready;
  return {&protocol::postgres(),
          packet(kSslRequest) + startup() + query("SELECT a FROM t") + parse("", "SELECT a FROM t WHERE b = $1") +
              bind("") + execute() + sync() + query("BEGIN") + query("SELECT 1 FROM none") + query("ROLLBACK") +
              query(""),
          "N" + start + replies, start + replies, 4};
}

inline Conversation http1_conversation() {
  const std::string replies =
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nnot\r\n4\r\nhere\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n";
  const std::string host = " HTTP/1.1\r\nHost: a\r\n\r\n";
  return {&protocol::http1(), "GET /a" + host + "GET /b" + host + "HEAD /c" + host, replies, replies, 3};
}

inline Conversation http2_conversation() {
  using namespace protocol;
  Http2Encoder client, service;
  std::string asked = std::string(kHttp2Preface) + http2_frame(4, 0, 0, "");
  asked += client.headers(1, get("/a"));
  asked += client.headers(3, get("/b"));
  asked += client.headers(
      5, post("/package.Service/Method", {{"content-type", "application/grpc"}, {"te", "trailers"}}), kWhole);
  asked += http2_frame(0, kEnd, 5, std::string(5, '\0'));
  asked += client.headers(7, get("/d"));
  const std::string grpc_type = "application/grpc";
  std::string said = http2_frame(4, 0, 0, "") + http2_frame(8, 0, 0, std::string("\0\1\0\0", 4));
  said += service.headers(3, {{":status", "200"}, {"content-type", "text/plain"}}, kWhole);
  said += service.headers(1, {{":status", "404"}, {"content-length", "9"}, {"x-id", "1"}}, kWhole);
  said += http2_frame(0, 0, 3, "interleaved");
  said += http2_frame(0, kPadding, 1, std::string("\2not\0\0", 6));
  said += service.headers(5, {{":status", "200"}, {"content-type", grpc_type}, {"x-id", "1"}}, kWhole);
  said += http2_frame(0, kEnd, 1, " there") + http2_frame(6, 0, 0, "12345678");
  said += http2_frame(0, 0, 5, std::string("\0\0\0\0\2ok", 7)) + http2_frame(0, kEnd, 3, "");
  said += service.headers(5, {{"grpc-status", "5"}, {"grpc-message", "not found"}});
  said += service.headers(7, {{":status", "304"}, {"x-id", "1"}});
  return {&http2(), asked, said, said, 4};
}

inline std::vector<Conversation> conversations() {
  return {redis_conversation(), memcached_conversation(), postgres_conversation(), http1_conversation(),
          http2_conversation()};
}

}  // namespace gnomon::compare
