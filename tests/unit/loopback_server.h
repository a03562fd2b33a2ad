#pragma once
// A small HTTP/1.1 server on loopback for the replayer's tests: on the test's own io_context, with faults on demand.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "boost/asio.hpp"

namespace gnomon::replay {

class LoopbackServer {
 public:
  using tcp = boost::asio::ip::tcp;
  struct Behaviour {
    std::string response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    bool stalled = false;           // read, never answer
    bool close_after = false;       // close after each response, without having said so
    bool close_unanswered = false;  // close instead of a response
    int close_further = 0;          // this many requests that are not a connection's first find the connection closed
  };

  explicit LoopbackServer(boost::asio::io_context& io)
      : io_(io), acceptor_(io, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)) {
    accept();
  }

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  Behaviour behaviour;
  std::vector<std::string> requests;           // whole, in the order received
  std::map<int, std::vector<std::string>> by;  // the same, by connection
  int connections = 0;
  int closed = 0;  // connections that the replayer closed

 private:
  struct Peer {
    explicit Peer(boost::asio::io_context& io) : socket(io) {}
    tcp::socket socket;
    int number = 0;
    std::vector<char> buffer = std::vector<char>(32 << 10);
    std::string input;
    std::size_t served = 0;
  };
  using PeerPtr = std::shared_ptr<Peer>;

  void accept() {
    auto peer = std::make_shared<Peer>(io_);
    acceptor_.async_accept(peer->socket, [this, peer](const boost::system::error_code& error) {
      if (error) return;
      peer->number = connections++;
      read(peer);
      accept();
    });
  }

  void read(const PeerPtr& peer) {
    peer->socket.async_read_some(boost::asio::buffer(peer->buffer),
                                 [this, peer](const boost::system::error_code& error, std::size_t size) {
                                   if (error) {
                                     ++closed;
                                     return;
                                   }
                                   peer->input.append(peer->buffer.data(), size);
                                   while (take(peer)) {
                                   }
                                   if (peer->socket.is_open()) read(peer);
                                 });
  }

  // Takes one whole request off the input and answers it.
  bool take(const PeerPtr& peer) {
    const auto header = peer->input.find("\r\n\r\n");
    if (header == std::string::npos) return false;
    const auto field = peer->input.find("Content-Length: ");
    const std::size_t body = field < header ? std::stoul(peer->input.substr(field + 16, 20)) : 0;
    const std::size_t size = header + 4 + body;
    if (peer->input.size() < size) return false;
    if (peer->served > 0 && behaviour.close_further > 0) {
      --behaviour.close_further;
      return drop(peer);
    }
    requests.push_back(peer->input.substr(0, size));
    by[peer->number].push_back(requests.back());
    peer->input.erase(0, size);
    ++peer->served;
    if (behaviour.stalled) return true;
    if (behaviour.close_unanswered) return drop(peer);
    auto response = std::make_shared<std::string>(behaviour.response);
    boost::asio::async_write(peer->socket, boost::asio::buffer(*response),
                             [this, peer, response](const boost::system::error_code&, std::size_t) {
                               if (behaviour.close_after) drop(peer);
                             });
    return true;
  }

  static bool drop(const PeerPtr& peer) {
    boost::system::error_code ignored;
    peer->socket.close(ignored);
    return false;
  }

  boost::asio::io_context& io_;
  tcp::acceptor acceptor_;
};

}  // namespace gnomon::replay
