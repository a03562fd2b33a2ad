// Streams of one connection: what becomes of one is no other's affair.

#include "agent/protocol/http2/http2.h"
#include "tests/unit/http2_client_side.h"
#include "tests/unit/replayer_fixture.h"

namespace gnomon::replay {
namespace {

using boost::asio::ip::tcp;
using protocol::http2_frame;

// Takes one connection, and answers when it is told to.
class Http2Server {
 public:
  explicit Http2Server(boost::asio::io_context& io)
      : acceptor_(io, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)), peer_(io) {
    acceptor_.async_accept(peer_, [this](const boost::system::error_code& error) {
      if (error) return;
      boost::asio::write(peer_, boost::asio::buffer(http2_frame(4, 0, 0, "")));
      read();
    });
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  void answer(std::uint32_t stream) {
    boost::asio::write(peer_, boost::asio::buffer(encoder_.headers(stream, {{":status", "200"}})));
  }

  std::vector<protocol::Request> requests;
  std::string said;
  bool ended = false;

 private:
  void read() {
    peer_.async_read_some(boost::asio::buffer(buffer_),
                          [this](const boost::system::error_code& error, std::size_t size) {
                            ended = bool(error);
                            if (ended) return;
                            said.append(buffer_.data(), size);
                            framer_->feed(std::as_bytes(std::span(buffer_).first(size)), MonoTime{}, false, requests);
                            read();
                          });
  }

  tcp::acceptor acceptor_;
  tcp::socket peer_;
  std::array<char, 4096> buffer_{};
  const std::unique_ptr<protocol::RequestFramer> framer_ = protocol::http2().framer(1, false, {});
  protocol::Http2Encoder encoder_;
};

class ReplayerHttp2 : public ReplayerTest {
 protected:
  ReplayerHttp2() : service(io) { port = service.port(); }
  void offer_get(const char* path, Nanos lasts = Nanos(0)) {
    protocol::Request request = protocol::request_of(protocol::get(path));
    request.conn_id = 1;
    request.arrival = std::chrono::steady_clock::now();
    request.protocol = &protocol::http2();
    request.lasts = lasts;
    replayer->offer(std::move(request));
  }
  Http2Server service;
};

TEST_F(ReplayerHttp2, AStreamThatTimesOutTakesNoOtherWithIt) {
  limits.timeout = milliseconds(50);
  start();
  offer_get("/never");
  offer_get("/late", seconds(3600));
  run_until([this] { return total().counters.timed_out > 0; });
  EXPECT_EQ(replayer->in_flight(), 1u);
  run_until([this] { return service.said.ends_with(http2_frame(3, 0, 1, std::string("\0\0\0\10", 4))); });  // CANCEL
  service.answer(3);
  run_until_quiet();
  EXPECT_EQ(total().counters.timed_out, 1u);
  EXPECT_EQ(total().counters.answered, 1u);
  offer_get("/next", seconds(3600));
  run_until([this] { return service.requests.size() == 3; });  // on the same connection
  service.answer(5);
  run_until_quiet();
  EXPECT_EQ(total().counters.answered, 2u);
}

TEST_F(ReplayerHttp2, FlushEndsTheConnectionWithAllOfItsStreams) {
  start();
  offer_get("/a");
  offer_get("/b");
  run_until([this] { return service.requests.size() == 2; });
  replayer->flush();
  EXPECT_EQ(total().counters.timed_out, 2u);
  run_until([this] { return service.ended; });
}

}  // namespace
}  // namespace gnomon::replay
