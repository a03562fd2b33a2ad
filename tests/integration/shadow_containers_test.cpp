// Shadows of services that run in containers, whoever started them: containerd, podman. What is copied is the process,
// over the root of its container; nothing asks the container runtime, and it notices nothing.

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "agent/shadow/cgroups.h"
#include "agent/shadow/state.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/conformance.h"
#include "tests/integration/shadow_fixture.h"

namespace gnomon::shadow {
namespace {

namespace fs = std::filesystem;
using protocol::output_of;
using protocol::program_path;
using ::testing::HasSubstr;

// A root file system with nothing but busybox, whose web server runs from it on the host's loopback.
class ShadowOfContainer : public ShadowTest {
 protected:
  void SetUp() override {
    ShadowTest::SetUp();
    if (IsSkipped()) return;
    if (program_path("busybox").empty()) GTEST_SKIP() << "busybox is not installed (package busybox-static)";
    for (const char* directory : {"bin", "www", "proc", "sys", "dev", "etc", "run", "tmp"})
      fs::create_directories(rootfs_ + "/" + directory);
    fs::copy_file(program_path("busybox"), rootfs_ + "/bin/busybox");
    files_.file("rootfs/www/index.html", "from a container");
  }
  // The cgroups that the container's own are made in belong to this test, and so does what is left in them.
  void TearDown() override {
    ShadowTest::TearDown();
    std::vector<std::string> left;
    for (const Hierarchy& hierarchy : hierarchies(kCgroupRoot)) {
      if (!fs::exists(hierarchy.mount + cgroup_)) continue;
      left.push_back(hierarchy.mount + cgroup_);
      for (const auto& entry : fs::recursive_directory_iterator(hierarchy.mount + cgroup_))
        if (entry.is_directory()) left.push_back(entry.path());
    }
    std::ranges::reverse(left);  // children first
    EXPECT_TRUE(kill_and_wait(cgroup_processes(left)).ok());
    EXPECT_TRUE(remove_cgroups(left).ok());
  }

  std::string command() const { return fmt::format("/bin/busybox httpd -f -p 127.0.0.1:{} -h /www", port_); }

  void expect_a_shadow_that_answers() {
    ASSERT_NO_FATAL_FAILURE(find_service(port_));
    ASSERT_NO_FATAL_FAILURE(start_shadow(spec(MilliCpu{500}, Bytes{64u << 20})));
    const auto answer = http_get(shadow_->replay_netns(), shadow_->address(), port_, "/index.html");
    EXPECT_EQ(answer.value_or(std::string(answer.status().message())), "from a container");
    const std::string root = fmt::format("/proc/{}/root", shadow_->pid());
    EXPECT_TRUE(fs::exists(root + "/bin/busybox"));
    EXPECT_FALSE(fs::exists(root + "/usr")) << "the host's root is not there";
    EXPECT_EQ(output_of(fmt::format("echo changed > {}/www/index.html", root)), "");
    shadow_.reset();
    EXPECT_EQ(http_get(-1, "127.0.0.1", port_, "/index.html").value_or("no answer"), "from a container");
  }

  const std::string rootfs_ = files_.path() + "/rootfs", cgroup_ = fmt::format("/gnomon-test-{}", ::getpid());
  const std::uint16_t port_ = free_port();
};

TEST_F(ShadowOfContainer, OfPodman) {
  if (program_path("podman").empty()) GTEST_SKIP() << "podman is not installed";
  const std::string podman = fmt::format(
      "podman --root {0}/store --runroot {0}/run --cgroup-manager=cgroupfs --events-backend=none --runtime runc ",
      files_.path());
  const std::string started =
      output_of(podman + fmt::format("run -d --name web --log-driver=none --network host --cgroup-parent {} --ulimit "
                                     "nofile=1024:1024 --ulimit nproc=1024:1024 --rootfs {} {}",
                                     cgroup_, rootfs_, command()));
  expect_a_shadow_that_answers();
  if (HasFailure()) ADD_FAILURE() << started;
  EXPECT_EQ(output_of(podman + "inspect -f '{{.State.Status}}' web"), "running\n");
  output_of(podman + "rm -f -t 0 web");
}

TEST_F(ShadowOfContainer, OfContainerd) {
  if (program_path("containerd").empty()) GTEST_SKIP() << "containerd is not installed";
  const std::string socket = files_.path() + "/containerd.sock";
  const std::string config = files_.file(
      "containerd.toml", fmt::format("version = 2\nroot = \"{0}/containerd\"\nstate = \"{0}/containerd-state\"\n"
                                     "disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"{1}\"\n",
                                     files_.path(), socket));
  const Service containerd({program_path("containerd"), "-c", config}, "/");
  const std::string ctr = fmt::format("ctr -a {} --connect-timeout 1s ", socket);
  for (int attempt = 0; attempt < 60 && output_of(ctr + "version").find("Server:") == std::string::npos; ++attempt)
    ::usleep(100'000);
  const std::string started =
      output_of(ctr + fmt::format("run -d --net-host --cgroup {}/web --rootfs {} web {}", cgroup_, rootfs_, command()));
  expect_a_shadow_that_answers();
  if (HasFailure()) ADD_FAILURE() << started;
  EXPECT_THAT(output_of(ctr + "tasks ls"), HasSubstr("RUNNING"));
  output_of(ctr + "tasks kill -s KILL web");
  // It ends by itself, and with it the process that containerd keeps beside each container.
  for (int attempt = 0; attempt < 100 && output_of(ctr + "tasks ls").find("STOPPED") == std::string::npos; ++attempt)
    ::usleep(100'000);
  output_of(ctr + "tasks delete web; " + ctr + "containers rm web");
}

}  // namespace
}  // namespace gnomon::shadow
