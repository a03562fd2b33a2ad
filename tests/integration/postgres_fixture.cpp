#include "tests/integration/postgres_fixture.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

namespace gnomon::protocol::pg {

namespace {

const std::string kPrograms = "/usr/lib/postgresql/15/bin/";

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

}  // namespace gnomon::protocol::pg
