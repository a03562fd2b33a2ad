#include "tests/integration/postgres_fixture.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <mutex>
#include <thread>

#include "boost/asio.hpp"

namespace gnomon::protocol::pg {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

const std::string kPrograms = "/usr/lib/postgresql/15/bin/";

std::string output_of(const std::string& command) {
  std::string output;
  FILE* const pipe = popen(("{ " + command + "\n} 2>&1").c_str(), "r");
  if (pipe == nullptr) return output;
  std::array<char, 4096> buffer{};
  while (const std::size_t size = fread(buffer.data(), 1, buffer.size(), pipe)) output.append(buffer.data(), size);
  pclose(pipe);
  return output;
}

}  // namespace

std::string missing_for_postgres() {
  if (access((kPrograms + "postgres").c_str(), X_OK) != 0) return "PostgreSQL 15 is not installed (package postgresql)";
  if (getpwnam("postgres") == nullptr) return "there is no user postgres";
  if (geteuid() != 0) return "needs root, to become the user postgres";
  return {};
}

PostgresServer::PostgresServer(const std::string& authentication) : port_(shadow::free_port()) {
  const passwd* const user = getpwnam("postgres");
  if (chmod(directory_.path().c_str(), 0755) != 0) return;
  const std::string home = directory_.path() + "/pg", data = home + "/data";
  mkdir(home.c_str(), 0700);
  if (chown(home.c_str(), user->pw_uid, user->pw_gid) != 0) return;
  const auto become = [user] {
    if (setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0) _exit(1);
  };
  output_of("cd / && setpriv --reuid=postgres --regid=postgres --clear-groups " + kPrograms + "initdb -N -A trust -D " +
            data);
  const std::string encryption = authentication == "md5" ? "md5" : "scram-sha-256";
  FILE* const access = fopen((data + "/pg_hba.conf").c_str(), "w");
  if (access == nullptr) return;
  fprintf(access, "local all all trust\nhost all all 127.0.0.1/32 %s\n", authentication.c_str());
  fclose(access);
  service_ = std::make_unique<shadow::Service>(
      std::vector<std::string>{kPrograms + "postgres", "-D", data, "-p", std::to_string(port_), "-k", home, "-h",
                               "127.0.0.1", "-c", "fsync=off", "-c", "password_encryption=" + encryption},
      home, become);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (ask("SELECT 42") != "42\n" && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  ask("CREATE ROLE anna LOGIN PASSWORD 'it''s a secret'");
  ask("CREATE DATABASE shop OWNER anna");
}

// An immediate shutdown by the server itself: killed, it would leave its shared memory behind.
PostgresServer::~PostgresServer() {
  if (!service_) return;
  kill(service_->pid(), SIGQUIT);
  const std::string lock = directory_.path() + "/pg/data/postmaster.pid";
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (access(lock.c_str(), F_OK) == 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

std::string PostgresServer::ask(const std::string& sql) const {
  std::string quoted;
  for (const char c : sql) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  const std::string database =
      sql.rfind("CREATE DATABASE", 0) == 0 || sql == "SELECT 42" || sql.rfind("CREATE ROLE", 0) == 0 ? "postgres"
                                                                                                     : "shop";
  return output_of("psql -XqAt -h " + directory_.path() + "/pg -p " + std::to_string(port_) + " -U postgres -d " +
                   database + " -c '" + quoted + "'");
}

std::string run_client(const std::string& command, std::uint16_t port) {
  return output_of("export PGHOST=127.0.0.1 PGPORT=" + std::to_string(port) +
                   " PGUSER=anna PGDATABASE=shop PGPASSWORD=\"it's a secret\"; " + command);
}

struct RecordingProxy::Impl {
  struct Pair {
    Pair(asio::io_context& io, std::vector<std::string>& its_record) : client(io), server(io), record(its_record) {}
    tcp::socket client, server;
    std::vector<std::string>& record;
    std::array<char, 16384> up{}, down{};
  };
  explicit Impl(std::uint16_t server_port)
      : server(asio::ip::address_v4::loopback(), server_port),
        acceptor(io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    accept();
    thread = std::thread([this] { io.run(); });
  }
  void accept() {
    acceptor.async_accept([this](boost::system::error_code error, tcp::socket socket) {
      if (error) return;
      std::unique_lock lock(mutex);
      auto pair = std::make_shared<Pair>(io, *records.emplace_back(std::make_unique<std::vector<std::string>>()));
      lock.unlock();
      pair->client = std::move(socket);
      pair->server.connect(server, error);
      if (!error) {
        pass(pair, true);
        pass(pair, false);
      }
      accept();
    });
  }
  void pass(const std::shared_ptr<Pair>& pair, bool up) {
    tcp::socket& from = up ? pair->client : pair->server;
    from.async_read_some(asio::buffer(up ? pair->up : pair->down),
                         [this, pair, up](boost::system::error_code error, std::size_t size) {
                           tcp::socket& to = up ? pair->server : pair->client;
                           auto& buffer = up ? pair->up : pair->down;
                           boost::system::error_code ignored;
                           if (error) {
                             to.shutdown(tcp::socket::shutdown_send, ignored);
                             return;
                           }
                           if (up) {
                             const std::lock_guard lock(mutex);
                             pair->record.emplace_back(buffer.data(), size);
                           }
                           asio::write(to, asio::buffer(buffer.data(), size), ignored);
                           pass(pair, up);
                         });
  }
  asio::io_context io;
  const tcp::endpoint server;
  tcp::acceptor acceptor;
  mutable std::mutex mutex;
  std::vector<std::unique_ptr<std::vector<std::string>>> records;
  std::thread thread;
};

RecordingProxy::RecordingProxy(std::uint16_t server_port) : impl_(std::make_unique<Impl>(server_port)) {}

RecordingProxy::~RecordingProxy() {
  impl_->io.stop();
  impl_->thread.join();
}

std::uint16_t RecordingProxy::port() const {
  return impl_->acceptor.local_endpoint().port();
}

std::vector<std::vector<std::string>> RecordingProxy::connections() const {
  const std::lock_guard lock(impl_->mutex);
  std::vector<std::vector<std::string>> all;
  for (const auto& record : impl_->records) all.push_back(*record);
  return all;
}

}  // namespace gnomon::protocol::pg
