// An OCI image, made by the program that also unpacks it, is started in the place of a copy.

#include <linux/capability.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "agent/discovery/procfs.h"
#include "agent/shadow/cgroups.h"
#include "agent/shadow/state.h"
#include "agent/shadow/unpacked_image.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/conformance.h"
#include "tests/integration/shadow_fixture.h"

namespace gnomon::shadow {
namespace {

namespace fs = std::filesystem;
using discovery::field_of;
using discovery::read_file;
using protocol::output_of;
using protocol::program_path;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// busybox's web server, live from a directory; its next release is in an image.
class ShadowOfImage : public ShadowTest {
 protected:
  void SetUp() override {
    ShadowTest::SetUp();
    if (IsSkipped()) return;
    if (const auto umoci = find_umoci(); !umoci.ok()) GTEST_SKIP() << umoci.status().message();
    if (program_path("busybox").empty()) GTEST_SKIP() << "busybox is not installed (package busybox-static)";
    files_.file("www/index.html", "the live one");
    service_ = std::make_unique<Service>(
        std::vector<std::string>{program_path("busybox"), "httpd", "-f", "-p", fmt::format("127.0.0.1:{}", port_), "-h",
                                 files_.path() + "/www"},
        "/");
    ASSERT_NO_FATAL_FAILURE(find_service(port_));
    ASSERT_NO_FATAL_FAILURE(make_image());
  }

  std::string umoci(const std::string& arguments) { return output_of("umoci " + arguments + " 2>&1"); }

  // Of two layers, the second of which removes a file of the first; tagged 1.1 as the live release's is, and 1.2.
  void make_image() {
    const std::string bundle = files_.path() + "/making", www = "making/rootfs/www/";
    umoci("init --layout " + layout_);
    umoci(fmt::format("new --image {}:1.1", layout_));
    umoci(fmt::format("unpack --image {}:1.1 {}", layout_, bundle));
    files_.file(www + "index.html", "the next release");
    files_.file(www + "removed.html", "only in the first layer");
    fs::create_directories(bundle + "/rootfs/bin");
    fs::copy_file(program_path("busybox"), bundle + "/rootfs/bin/busybox");
    umoci(fmt::format("repack --refresh-bundle --image {}:1.2 {}", layout_, bundle));
    fs::remove(files_.path() + "/" + www + "removed.html");
    umoci(fmt::format("repack --image {}:1.2 {}", layout_, bundle));
    umoci(
        fmt::format("config --image {}:1.2 --config.entrypoint /bin/busybox --config.entrypoint httpd --config.cmd=-f "
                    "--config.cmd=-p --config.cmd={} --config.cmd=-h --config.cmd=/www --config.env RELEASE=next",
                    layout_, port_));
    fs::remove_all(bundle);
    ASSERT_EQ(umoci("ls --layout " + layout_), "1.1\n1.2\n");
  }

  Spec with_image(const std::string& tag) const {
    Spec it = spec(MilliCpu{500}, Bytes{64u << 20});
    it.image = document::ImageName{.directory = layout_, .tag = tag};
    return it;
  }

  std::string error_of(const Spec& spec) {
    if (!runtime_) make_runtime();
    auto shadow = runtime_->start(spec);
    return shadow.ok() ? "started" : std::string(shadow.status().message());
  }

  std::string page(const std::string& target) {
    const auto answer = http_get(shadow_->replay_netns(), shadow_->address(), port_, target);
    return answer.ok() ? *answer : std::string(answer.status().message());
  }

  // What is there beside the lock and the empty list of processes, in the agent's directory, its mounts and its
  // cgroups.
  void expect_nothing_left() {
    for (const auto& entry : fs::recursive_directory_iterator(state_.path()))
      EXPECT_THAT(entry.path().string(), Not(HasSubstr("s1"))) << "is left";
    EXPECT_THAT(read_file("/proc/self/mountinfo").value_or("cannot be read"), Not(HasSubstr(state_.path())));
    for (const std::string& name : state_directories(state_.path()))
      for (const std::string& cgroup : agent_cgroups(kCgroupRoot, name)) EXPECT_THAT(cgroup, Not(HasSubstr("/s1")));
  }

  const std::string layout_ = files_.path() + "/images";
  const std::uint16_t port_ = free_port();
  std::unique_ptr<Service> service_;
};

TEST_F(ShadowOfImage, IsUnpackedAndAnswersAndLeavesNothing) {
  ASSERT_NO_FATAL_FAILURE(start_shadow(with_image("1.2")));
  EXPECT_EQ(page("/index.html"), "the next release");
  EXPECT_THAT(page("/removed.html"), HasSubstr("404")) << "a file that its second layer has removed";
  const std::string proc = fmt::format("/proc/{}", shadow_->pid()), status = read_file(proc + "/status").value_or("");
  EXPECT_FALSE(fs::exists(proc + "/root/usr")) << "the host's root is there";
  EXPECT_EQ(output_of(fmt::format("echo changed > {}/root/www/index.html", proc)), "");
  EXPECT_EQ(page("/index.html"), "changed\n");
  EXPECT_EQ(field_of(status, "Seccomp"), "2");
  EXPECT_EQ(field_of(status, "NoNewPrivs"), "1");
  // Production's, not umoci's own defaults: 1,024 open files, three capabilities, a host name.
  EXPECT_EQ(output_of("grep 'Max open files' " + proc + "/limits"),
            output_of(fmt::format("grep 'Max open files' /proc/{}/limits", service_->pid())));
  EXPECT_EQ(std::stoull(field_of(status, "CapEff"), nullptr, 16) >> CAP_CHOWN & 1, 1u);
  EXPECT_EQ(output_of(fmt::format("nsenter -t {} -u hostname", shadow_->pid())), output_of("hostname"));
  shadow_.reset();
  expect_nothing_left();
  EXPECT_EQ(http_get(-1, "127.0.0.1", port_, "/index.html").value_or("no answer"), "the live one");
  // Nor of the budget: all of it can be had.
  Spec all = spec(kTestBudget.cpu, Bytes{kTestBudget.memory.value - (16u << 20)});
  EXPECT_TRUE(runtime_->start(all).ok());
}

TEST_F(ShadowOfImage, RunsAsItsOwnUserWithoutRootsRights) {
  umoci(fmt::format("config --image {}:1.2 --config.user 65534:65534", layout_));
  ASSERT_NO_FATAL_FAILURE(start_shadow(with_image("1.2")));
  EXPECT_EQ(page("/index.html"), "the next release");
  const std::string status = read_file(fmt::format("/proc/{}/status", shadow_->pid())).value_or("");
  EXPECT_THAT(field_of(status, "Uid"), HasSubstr("65534"));
  const std::uint64_t held = std::stoull(field_of(status, "CapEff"), nullptr, 16);
  EXPECT_EQ(held & ~(1ull << CAP_NET_BIND_SERVICE | 1ull << CAP_KILL), 0u) << held;
}

TEST_F(ShadowOfImage, TheImageItselfStaysAsItWas) {
  const std::string sums = fmt::format("cd {} && find . -type f -exec sha256sum {{}} + | sort", layout_);
  const std::string before = output_of(sums);
  ASSERT_NO_FATAL_FAILURE(start_shadow(with_image("1.2")));
  EXPECT_EQ(page("/index.html"), "the next release");
  shadow_.reset();
  EXPECT_EQ(output_of(sums), before);
}

TEST_F(ShadowOfImage, WhatIsWrongWithItIsNamedAndLeavesNothing) {
  EXPECT_THAT(error_of(with_image("")),
              AllOf(HasSubstr("shadow.image: \"" + layout_ + "\""), HasSubstr("name a tag"), HasSubstr("1.1, 1.2")));
  EXPECT_THAT(error_of(with_image("2.0")), AllOf(HasSubstr("no tag \"2.0\""), HasSubstr("1.1, 1.2")));
  EXPECT_THAT(error_of(with_image("1.1")), HasSubstr("names no program to start"));
  Spec none = with_image("1.2");
  none.image->directory = "/proc/self";
  EXPECT_THAT(error_of(none), HasSubstr("is no OCI image layout"));
  // A blob that is not what its digest says.
  for (const auto& blob : fs::directory_iterator(layout_ + "/blobs/sha256"))
    if (blob.file_size() > 100'000) fs::resize_file(blob.path(), 100'000);
  EXPECT_THAT(error_of(with_image("1.2")), HasSubstr("umoci ended with status 1"));
  expect_nothing_left();
}

TEST_F(ShadowOfImage, OneThatDoesNotFitIntoTheBudgetIsRefused) {
  auto small = Runtime::create(state_.path(), {MilliCpu{1000}, Bytes{128u << 20}});
  ASSERT_TRUE(small.ok()) << small.status();
  runtime_ = *std::move(small);
  EXPECT_THAT(error_of(with_image("1.2")),
              AllOf(HasSubstr("budget"), HasSubstr("--budget-memory"), HasSubstr("shadow.bundle")));
  expect_nothing_left();
}

// What is set aside for it goes by how large it is packed.
TEST_F(ShadowOfImage, OneThatGrowsBeyondAllMeasureIsStopped) {
  const std::string bundle = files_.path() + "/growing";
  umoci(fmt::format("unpack --image {}:1.2 {}", layout_, bundle));
  std::ofstream(bundle + "/rootfs/zeros").flush();
  fs::resize_file(bundle + "/rootfs/zeros", 64u << 20);
  umoci(fmt::format("repack --image {}:1.3 {}", layout_, bundle));
  EXPECT_THAT(error_of(with_image("1.3")), AllOf(HasSubstr("does not fit into"), HasSubstr("shadow.bundle")));
  expect_nothing_left();
}

TEST_F(ShadowOfImage, UnpackingEndsWhenItIsNotWaitedForAnyLonger) {
  const UniqueFd stop(::eventfd(1, EFD_CLOEXEC));
  Spec stopped = with_image("1.2");
  stopped.stop = stop.get();
  make_runtime();
  EXPECT_EQ(runtime_->start(stopped).status().code(), absl::StatusCode::kCancelled);
  expect_nothing_left();
}

TEST_F(ShadowOfImage, AKilledAgentsImageGoesWithIt) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const UniqueFd in(ends[0]);
  UniqueFd out(ends[1]);
  const pid_t agent = ::fork();
  ASSERT_GE(agent, 0);
  if (agent == 0) {
    auto runtime = Runtime::create(state_.path(), kTestBudget);
    if (!runtime.ok()) ::_exit(1);
    auto shadow = (*runtime)->start(with_image("1.2"));
    pid_t pid = shadow.ok() && (*shadow)->wait_ready({kReadyTimeout}).ok() ? (*shadow)->pid() : -1;
    if (::write(out.get(), &pid, sizeof pid) != sizeof pid) ::_exit(1);
    while (true) ::pause();
  }
  out.reset();
  pid_t shadow = -1;
  EXPECT_EQ(::read(in.get(), &shadow, sizeof shadow), static_cast<ssize_t>(sizeof shadow));
  EXPECT_GT(shadow, 0);
  ::kill(agent, SIGKILL);
  ::waitpid(agent, nullptr, 0);
  const auto removed = sweep(state_.path(), false);
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_FALSE(removed->empty());
  for (const Leftover& leftover : *removed) EXPECT_EQ(leftover.problem, "") << leftover.kind << " " << leftover.what;
  EXPECT_TRUE(state_directories(state_.path()).empty());
  EXPECT_TRUE(sweep(state_.path(), true)->empty());
}

}  // namespace
}  // namespace gnomon::shadow
