// Streams of one connection: what becomes of one is no other's affair.

#include "agent/protocol/http2/http2.h"
#include "tests/unit/http2_client_side.h"
#include "tests/unit/replayer_fixture.h"

namespace gnomon::replay {
namespace {

using boost::asio::ip::tcp;
using protocol::http2_frame;

// Takes connections, and answers when it is told to.
class Http2Server {
 public:
  explicit Http2Server(boost::asio::io_context& io)
      : io_(io), acceptor_(io, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)) {
    accept();
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  struct Peer {
    explicit Peer(boost::asio::io_context& io) : socket(io) {}
    void say(const std::string& frames) { boost::asio::write(socket, boost::asio::buffer(frames)); }
    void answer(std::uint32_t stream) { say(encoder.headers(stream, {{":status", "200"}})); }
    tcp::socket socket;
    std::vector<protocol::Request> requests;
    std::string said;
    bool ended = false;
    std::array<char, 4096> buffer{};
    const std::unique_ptr<protocol::RequestFramer> framer = protocol::http2().framer(1, false, {});
    protocol::Http2Encoder encoder;
  };
  std::vector<std::shared_ptr<Peer>> peers;

 private:
  void accept() {
    const auto peer = std::make_shared<Peer>(io_);
    acceptor_.async_accept(peer->socket, [this, peer](const boost::system::error_code& error) {
      if (error) return;
      peers.push_back(peer);
      peer->say(http2_frame(4, 0, 0, ""));
      read(peer);
      accept();
    });
  }
  void read(const std::shared_ptr<Peer>& peer) {
    peer->socket.async_read_some(
        boost::asio::buffer(peer->buffer), [this, peer](const boost::system::error_code& error, std::size_t size) {
          peer->ended = bool(error);
          if (error) return;
          peer->said.append(peer->buffer.data(), size);
          peer->framer->feed(std::as_bytes(std::span(peer->buffer).first(size)), MonoTime{}, false, peer->requests);
          read(peer);
        });
  }

  boost::asio::io_context& io_;
  tcp::acceptor acceptor_;
};

class ReplayerHttp2 : public ReplayerTest {
 protected:
  ReplayerHttp2() : service(io) { port = service.port(); }
  void offer_get(const char* path, Nanos lasts = Nanos(0), std::shared_ptr<protocol::ReplayWatch> watch = nullptr) {
    protocol::Request request = protocol::request_of(protocol::get(path));
    request.conn_id = 1;
    request.arrival = std::chrono::steady_clock::now();
    request.protocol = &protocol::http2();
    request.lasts = lasts;
    request.watch = std::move(watch);
    replayer->offer(std::move(request));
  }
  void run_until_asked(std::size_t peer, std::size_t requests) {
    run_until([&] { return service.peers.size() > peer && service.peers[peer]->requests.size() == requests; });
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
  Http2Server::Peer& peer = *service.peers.at(0);
  const std::string cancelled = http2_frame(3, 0, 1, std::string("\0\0\0\10", 4));
  run_until([&] { return peer.said.ends_with(cancelled); });
  peer.answer(3);
  run_until_quiet();
  EXPECT_EQ(total().counters.timed_out, 1u);
  EXPECT_EQ(total().counters.answered, 1u);
  offer_get("/next", seconds(3600));
  run_until_asked(0, 3);
  peer.answer(5);
  run_until_quiet();
  EXPECT_EQ(total().counters.answered, 2u);
}

TEST_F(ReplayerHttp2, FlushEndsTheConnectionWithAllOfItsStreams) {
  start();
  offer_get("/a");
  offer_get("/b");
  run_until_asked(0, 2);
  replayer->flush();
  EXPECT_EQ(total().counters.timed_out, 2u);
  run_until([this] { return service.peers.at(0)->ended; });
}

TEST_F(ReplayerHttp2, WhatAServiceThatLeavesHasNotTakenIsSentAgainElsewhere) {
  start();
  for (const char* path : {"/a", "/b", "/c"}) offer_get(path);
  run_until_asked(0, 3);
  service.peers.at(0)->say(http2_frame(7, 0, 0, std::string("\0\0\0\1\0\0\0\0", 8)));  // GOAWAY: the first was the last
  service.peers.at(0)->answer(1);
  run_until_asked(1, 2);
  service.peers.at(1)->answer(1);
  service.peers.at(1)->answer(3);
  run_until_quiet();
  EXPECT_EQ(total().counters.answered, 3u);
  EXPECT_EQ(total().errors, 0u);
}

TEST_F(ReplayerHttp2, AConnectionThatTheServiceLeavesTakesNoFurtherRequest) {
  start();
  offer_get("/slow");
  run_until_asked(0, 1);
  Http2Server::Peer& leaving = *service.peers.at(0);
  leaving.say(http2_frame(7, 0, 0, std::string("\0\0\0\1\0\0\0\0", 8)) + http2_frame(6, 0, 0, "8 bytes."));
  run_until([&] { return leaving.said.ends_with(http2_frame(6, 1, 0, "8 bytes.")); });  // it has been read
  offer_get("/next");
  run_until_asked(1, 1);
  service.peers.at(1)->answer(1);
  run_until([this] { return total().counters.answered == 1; });
  leaving.answer(1);
  run_until_quiet();
  EXPECT_EQ(total().counters.answered, 2u);
  EXPECT_EQ(total().errors, 0u);
}

TEST_F(ReplayerHttp2, WhatIsAnsweredAndHeldIsNotSentAgain) {
  struct Watch final : protocol::ReplayWatch {
    void sent() override {}
    void answered(const protocol::Answer&) override { seen = true; }
    bool seen = false;
  };
  const auto watch = std::make_shared<Watch>();
  phase.noise = {.delay_mean = milliseconds(300), .delay_stddev = Nanos(0), .error_rate = {}};
  start();
  offer_get("/held", Nanos(0), watch);
  run_until_asked(0, 1);
  service.peers.at(0)->answer(1);
  run_until([&] { return watch->seen; });
  offer_get("/met-a-close");
  run_until_asked(0, 2);
  service.peers.at(0)->socket.close();
  run_until_asked(1, 1);
  service.peers.at(1)->answer(1);
  run_until_quiet();
  EXPECT_EQ(total().counters.answered, 2u);
  EXPECT_EQ(total().errors, 0u);
  EXPECT_EQ(service.peers.at(1)->requests.size(), 1u);
}

}  // namespace
}  // namespace gnomon::replay
