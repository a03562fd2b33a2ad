// What of a process is copied, decided from texts alone.

#include <unistd.h>

#include "agent/shadow/bundle.h"
#include "agent/shadow/launch.h"
#include "agent/shadow/output.h"
#include "agent/shadow/root_plan.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace gnomon::shadow {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string bytes(std::initializer_list<std::string> words) {
  std::string all;
  for (const std::string& word : words) all += word + std::string(1, '\0');
  return all;
}

TEST(RecoverArgv, ArgumentsAreTakenAsTheyAre) {
  EXPECT_THAT(*recover_argv(bytes({"/bin/a", "-c", "two words", "", "x"})),
              ElementsAre("/bin/a", "-c", "two words", "", "x"));
  EXPECT_THAT(*recover_argv(bytes({"alone"})), ElementsAre("alone"));
}

TEST(RecoverArgv, AMasterProcessTitleIsTakenApart) {
  EXPECT_THAT(*recover_argv("nginx: master process /usr/sbin/nginx -c /tmp/x.conf -g daemon off; pid /tmp/p;" +
                            std::string(40, '\0')),
              ElementsAre("/usr/sbin/nginx", "-c", "/tmp/x.conf", "-g", "daemon off; pid /tmp/p;"));
  EXPECT_THAT(*recover_argv("nginx: master process nginx"), ElementsAre("nginx"));
  EXPECT_THAT(*recover_argv("nginx: master process nginx -g daemon off; -p /my dir -q"),
              ElementsAre("nginx", "-g", "daemon off;", "-p", "/my dir", "-q"));
}

TEST(RecoverArgv, OtherTitlesAreErrorsThatQuoteThem) {
  const auto redis = recover_argv("redis-server *:6379" + std::string(10, '\0'));
  EXPECT_EQ(redis.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(redis.status().message()), HasSubstr("\"redis-server *:6379\""));
  EXPECT_FALSE(recover_argv("").ok());
  EXPECT_FALSE(recover_argv("nginx: master process ").ok());
}

TEST(CleanEnvironment, DropsWhatAddressesTheSupervisorAndWhatIsNoVariable) {
  EXPECT_THAT(clean_environment(bytes({"A=1", "NOTIFY_SOCKET=/run/x", "LISTEN_FDS=1", "LISTEN_PID=5", "off; -c /x",
                                       "daemon off;pid=3", "B=x=y", "=bad", "PATH=/bin", "EMPTY="})),
              ElementsAre("A=1", "B=x=y", "PATH=/bin", "EMPTY="));
}

TEST(CleanEnvironment, APathIsAlwaysThere) {
  EXPECT_THAT(clean_environment(""), ElementsAre(HasSubstr("PATH=/")));
}

TEST(SafeCapabilities, NoneReachesBeyondTheShadow) {
  const auto all = safe_capabilities(~0ull);
  EXPECT_THAT(all, Contains("CAP_NET_BIND_SERVICE"));
  for (const char* dangerous : {"CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_PTRACE", "CAP_NET_ADMIN", "CAP_BPF",
                                "CAP_PERFMON", "CAP_SYS_RAWIO", "CAP_DAC_READ_SEARCH", "CAP_SYSLOG", "CAP_MKNOD"})
    EXPECT_THAT(all, Not(Contains(dangerous)));
  EXPECT_THAT(safe_capabilities(0), IsEmpty());
}

const FreshDirectory& fresh(const RootPlan& plan, const std::string& path) {
  for (const FreshDirectory& directory : plan.fresh)
    if (directory.path == path) return directory;
  throw std::runtime_error(path);
}

Launch launch(std::vector<std::string> argv, const std::string& directory = "/") {
  Launch made;
  made.executable = "/usr/bin/app";
  made.directory = directory;
  made.argv = std::move(argv);
  return made;
}

TEST(PlanRoot, WhatArgumentsPointIntoIsCarriedIntoFreshDirectories) {
  const RootPlan plan = plan_root(launch({"app", "-c", "/tmp/a/b/app.conf", "--log=/var/tmp/l/x.log",
                                          "pid /run/app/app.pid;", "/home/u/app/main.py", "/tmp/a/other"}),
                                  "");
  EXPECT_THAT(fresh(plan, "/tmp").carried, ElementsAre("/tmp/a"));
  EXPECT_THAT(fresh(plan, "/var/tmp").carried, ElementsAre("/var/tmp/l"));
  EXPECT_THAT(fresh(plan, "/run").carried, ElementsAre("/run/app"));
  EXPECT_THAT(fresh(plan, "/home").carried, ElementsAre("/home/u/app"));
  EXPECT_THAT(fresh(plan, "/root").carried, IsEmpty());
}

TEST(PlanRoot, RelativeArgumentsAreBelowTheWorkingDirectory) {
  EXPECT_THAT(fresh(plan_root(launch({"python3", "x/../app.py"}, "/tmp/w"), ""), "/tmp").carried,
              ElementsAre("/tmp/w"));
  const RootPlan plan = plan_root(launch({"app"}, "/tmp"), "");
  EXPECT_TRUE(fresh(plan, "/tmp").whole);
  EXPECT_FALSE(fresh(plan, "/run").whole);
}

TEST(PlanRoot, AWholeHomeIncludesItsParts) {
  EXPECT_THAT(fresh(plan_root(launch({"app", "/home/u/x/y"}, "/home/u"), ""), "/home").carried, ElementsAre("/home/u"));
}

TEST(PlanRoot, MaskedPathsAreOpenOnlyToTheirOwner) {
  EXPECT_THAT(plan_root(launch({"app"}), "").masked, Contains("/etc/ssh"));
  EXPECT_THAT(plan_root(launch({"sshd", "-f", "/etc/ssh/sshd_config"}), "").masked, Not(Contains("/etc/ssh")));
}

TEST(PlanRoot, VolumesAreTheRealFileSystemsThatItMaySee) {
  const std::string mountinfo =
      "1 0 8:1 / / rw - ext4 /dev/a rw\n"
      "2 1 0:5 / /proc rw - proc proc rw\n"
      "3 1 0:6 / /sys rw - sysfs sysfs rw\n"
      "4 1 8:2 / /data/my\\040files ro,relatime shared:3 - xfs /dev/b rw\n"
      "5 4 8:3 / /data rw - ext4 /dev/c rw\n"
      "6 1 0:9 / /tmp/other rw - tmpfs tmpfs rw\n"
      "7 1 0:9 / /tmp/mine/sub rw - tmpfs tmpfs rw\n"
      "8 1 0:9 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw\n"
      "9 1 0:9 / /dev/shm rw - tmpfs tmpfs rw\n"
      "10 1 8:4 /x /etc/hosts rw - ext4 /dev/d rw\n";
  std::vector<std::string> paths;
  const RootPlan plan = plan_root(launch({"app", "/tmp/mine/a"}), mountinfo);
  for (const Volume& volume : plan.volumes) paths.push_back(volume.path + (volume.read_only ? " ro" : ""));
  EXPECT_THAT(paths, ElementsAre("/data", "/data/my files ro", "/etc/hosts", "/tmp/mine/sub"));
}

TEST(OciConfig, HasTheLimitsAndRunsTheServiceUnderOurInit) {
  Launch made = launch({"app", "one"});
  made.uid = 33;
  made.capabilities = {"CAP_CHOWN"};
  const auto config = nlohmann::json::parse(
      oci_config(made, Bundle{.root = "/r", .cgroup = "/gnomon/a/s", .cpu = MilliCpu{250}, .memory = Bytes{4096}}));
  EXPECT_EQ(config["process"]["args"], nlohmann::json({"/.gnomon-init", "3", "/usr/bin/app", "app", "one"}));
  EXPECT_EQ(config["process"]["noNewPrivileges"], true);
  EXPECT_EQ(config["process"]["capabilities"]["ambient"], nlohmann::json({"CAP_CHOWN"}));
  EXPECT_EQ(config["linux"]["resources"]["cpu"]["quota"], 25000);
  EXPECT_EQ(config["linux"]["resources"]["memory"]["limit"], 4096);
  made.uid = 0;  // root's need not be ambient
  EXPECT_FALSE(nlohmann::json::parse(oci_config(made, Bundle{}))["process"]["capabilities"].contains("ambient"));
}

TEST(OciConfig, AQuotaIsNeverBelowWhatTheKernelTakes) {
  const auto config = nlohmann::json::parse(oci_config(launch({"app"}), Bundle{.cpu = MilliCpu{1}}));
  EXPECT_EQ(config["linux"]["resources"]["cpu"]["quota"], 1000);
}

TEST(OutputTail, KeepsTheLastLinesAndCutsLongOnes) {
  auto tail = OutputTail::open(::getuid(), ::getgid());
  ASSERT_TRUE(tail.ok()) << tail.status();
  std::string text;
  for (int i = 0; i < 50; ++i) text += "line " + std::to_string(i) + "\n";
  text += std::string(5000, 'x') + "\nend";
  ASSERT_EQ(::write((*tail)->write_end(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  (*tail)->close_write_end();
  (*tail)->drain(10'000);
  const auto lines = (*tail)->lines();
  ASSERT_EQ(lines.size(), OutputTail::kLines);
  EXPECT_EQ(lines.back(), "end");
  EXPECT_EQ(lines[18], std::string(OutputTail::kLineBytes, 'x'));
  EXPECT_EQ(lines[17], "line 49");
}

}  // namespace
}  // namespace gnomon::shadow
