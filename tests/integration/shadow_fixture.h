#pragma once
// Real services to be shadowed, and ways to ask them.

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/discovery/instance.h"
#include "agent/shadow/shadow.h"
#include "gtest/gtest.h"

namespace gnomon::shadow {

// Removed with all its files at the end.
class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(const std::string& parent = "/tmp");
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }
  std::string file(const std::string& name, const std::string& text) const;  // its path

 private:
  std::string path_;
};

// A program, killed with its process group at the end, or ended if the test is.
class Service {
 public:
  Service(
      const std::vector<std::string>& argv, const std::string& directory,
      const std::function<void()>& before_exec = [] {});
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

std::uint16_t free_port();

// Waits until something listens on the port.
absl::StatusOr<discovery::Instance> wait_for_instance(std::uint16_t port);

// The body of the answer to GET `target`, from the network namespace `netns` (the test's own if negative); an error for
// what is not "200".
absl::StatusOr<std::string> http_get(int netns, const std::string& address, std::uint16_t port,
                                     const std::string& target);

// A Python program that answers GET /eval?EXPRESSION (percent-encoded) with the value of the expression, and other
// targets with "production". Arguments: address, port; or "promised": over the first socket of LISTEN_FDS.
extern const char kEvalServer[];

// The value of a Python expression, in a server of that kind.
std::string evaluate(const Shadow& shadow, const std::string& expression);
std::string evaluate(int netns, const std::string& address, std::uint16_t port, const std::string& expression);

// Why shadows cannot be made here; empty if they can.
std::string missing_for_shadows();

inline constexpr Budget kTestBudget{MilliCpu{1000}, Bytes{2ull << 30}};
inline constexpr Nanos kReadyTimeout = std::chrono::seconds(20);

// A service of the test's own, and its shadow "s1" in a runtime of the test's own.
class ShadowTest : public ::testing::Test {
 protected:
  void SetUp() override;     // skips where shadows cannot be made
  void TearDown() override;  // of a failed test it shows what the shadow wrote

  void find_service(std::uint16_t port);  // waits for it
  Spec spec(MilliCpu cpu, Bytes memory) const {
    return {.id = "s1", .instance = instance_, .cpu = cpu, .memory = memory};
  }
  void make_runtime();
  void begin_shadow(const Spec& spec);                                 // is not up yet
  void start_shadow(const Spec& spec, Nanos timeout = kReadyTimeout);  // is up

  TemporaryDirectory files_, state_;
  discovery::Instance instance_;
  std::unique_ptr<Runtime> runtime_;  // made with the first shadow
  std::unique_ptr<Shadow> shadow_;
};

// Of a server that evaluates expressions.
class EvalShadow : public ShadowTest {
 protected:
  void SetUp() override;
  // `preamble` is Python that runs before the server: what expressions may use.
  explicit EvalShadow(const std::string& preamble = "") : preamble_(preamble) {}

  void start_service(
      const std::vector<std::string>& argv, const std::string& directory,
      const std::function<void()>& before_exec = [] {});
  using ShadowTest::start_shadow;
  void start_shadow(Bytes memory = Bytes{128u << 20}) { start_shadow(spec(MilliCpu{250}, memory)); }

  std::string inside(const std::string& expression) { return evaluate(*shadow_, expression); }
  std::string state_directory() const;  // the names of the state directories

  const std::string preamble_;
  std::uint16_t port_ = 0;
  std::string script_;
  std::unique_ptr<Service> service_;
};

}  // namespace gnomon::shadow
