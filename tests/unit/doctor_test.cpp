// What follows from what was found on a node, and how it is printed.

#include <linux/capability.h>

#include <cerrno>
#include <utility>

#include "agent/doctor/diagnosis.h"
#include "cli/render/doctor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace gnomon::doctor {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

probe::Attempt loads(std::string hook) {
  return {.program = "p", .hook = std::move(hook), .loads = true, .error = 0, .reason = ""};
}

probe::Attempt refused(std::string hook, int error) {
  return {.program = "p", .hook = std::move(hook), .loads = false, .error = error, .reason = "said so"};
}

// A node on which everything is as it should be.
Facts good_node() {
  Facts facts;
  facts.kernel = "6.18.0";
  facts.machine = "x86_64";
  facts.program_types = {{"tp_btf", {}}, {"fentry", {EPERM, ""}}};
  facts.probe.emplace();
  facts.probe->tap = {{probe::TapDesign::kPacketCopy, loads("tp_btf/copy")}};
  facts.probe->begin = {loads("tp_btf/state")};
  facts.probe->arrival = {loads("tp_btf/ready")};
  facts.probe->send = {loads("tp_btf/first"), loads("tp_btf/second")};
  facts.probe->cause = {loads("tp_btf/cause")};
  facts.probe->packets = {loads("cgroup_skb/packets")};
  facts.probe->responses = {loads("tp_btf/first")};
  facts.probe->leaving = {loads("cgroup_skb/leaving")};
  facts.root = true;
  facts.capabilities = ~0ull;
  facts.open_files = 1 << 20;
  facts.cgroups = {{.mount = "/sys/fs/cgroup", .v2 = true, .make = {}, .cpu = true, .memory = true}};
  facts.namespaces = {{"mount", {}}, {"network", {}}};
  facts.runc = "/usr/sbin/runc";
  facts.umoci = "/usr/bin/umoci";
  facts.shadow_init = "/usr/bin/gnomon-shadow-init";
  facts.shadow_init_there = true;
  facts.state_directory = {0, "/run/gnomon can be made"};
  facts.memory = Bytes{8ull << 30};
  facts.memory_available = Bytes{6ull << 30};
  facts.clock_source = "tsc";
  return facts;
}

void drop(Facts* facts, int capability) {
  facts->capabilities &= ~(1ull << capability);
}

Check check(const Facts& facts, const std::string& id) {
  for (Check& found : diagnose(facts).checks)
    if (found.id == id) return std::move(found);
  ADD_FAILURE() << "no check " << id;
  return {};
}

TEST(Doctor, ANodeThatHasEverythingRunsSessionsAndAsksForNothing) {
  const Diagnosis diagnosis = diagnose(good_node());
  EXPECT_TRUE(diagnosis.sessions_can_run());
  EXPECT_EQ(diagnosis.tap, "packet-copy");
  EXPECT_EQ(diagnosis.send, "tp_btf/first");
  for (const Check& one : diagnosis.checks) {
    EXPECT_EQ(one.state, State::kOk) << one.id;
    EXPECT_EQ(one.remedy, "") << one.id;
    EXPECT_NE(one.seen, "") << one.id;
  }
}

TEST(Doctor, WhatIsNotOkSaysWhatToDo) {
  Facts facts;  // nothing is there, nothing is allowed
  facts.btf = facts.ring = facts.uprobe = facts.overlay = facts.mount_copies = facts.veth = {ENOSYS, ""};
  facts.netem = facts.pidfd_getfd = facts.seccomp = facts.state_directory = {ENOENT, ""};
  facts.namespaces = {{"mount", {ENOSPC, ""}}};
  facts.lockdown = "confidentiality";
  facts.clock_source = "hpet";
  facts.filtered = true;
  const Diagnosis diagnosis = diagnose(facts);
  EXPECT_FALSE(diagnosis.sessions_can_run());
  for (const Check& one : diagnosis.checks) EXPECT_EQ(one.remedy.empty(), one.state == State::kOk) << one.id;
}

TEST(Doctor, EachRequiredTrialThatFailsKeepsSessionsFromRunning) {
  for (Trial Facts::*trial : {&Facts::btf, &Facts::ring, &Facts::overlay, &Facts::mount_copies, &Facts::veth,
                              &Facts::pidfd_getfd, &Facts::state_directory}) {
    Facts facts = good_node();
    facts.*trial = {ENODEV, ""};
    EXPECT_FALSE(diagnose(facts).sessions_can_run());
  }
  for (Trial Facts::*trial : {&Facts::netem, &Facts::uprobe, &Facts::seccomp}) {
    Facts facts = good_node();
    facts.*trial = {ENODEV, ""};
    EXPECT_TRUE(diagnose(facts).sessions_can_run());
  }
}

TEST(Doctor, ARefusalForWantOfARightIsUnknownAndNamesTheRight) {
  Facts facts = good_node();
  drop(&facts, CAP_NET_ADMIN);
  facts.veth = {EPERM, ""};
  const Check veth = check(facts, "veth");
  EXPECT_EQ(veth.state, State::kUnknown);
  EXPECT_THAT(veth.seen, HasSubstr("needs CAP_NET_ADMIN"));
  EXPECT_THAT(veth.remedy, AllOf(HasSubstr("--cap-add=NET_ADMIN"), HasSubstr("CapabilityBoundingSet")));
  EXPECT_EQ(check(facts, "cap_net_admin").state, State::kMissing);
  EXPECT_FALSE(diagnose(facts).sessions_can_run());
}

TEST(Doctor, ARefusalInSpiteOfTheRightsPointsAtWhatRefuses) {
  Facts facts = good_node();
  facts.veth = {EPERM, ""};
  EXPECT_EQ(check(facts, "veth").state, State::kMissing);
  EXPECT_THAT(check(facts, "veth").remedy, HasSubstr("dmesg"));
  facts.filtered = true;
  EXPECT_THAT(check(facts, "veth").remedy, HasSubstr("seccomp=unconfined"));
}

TEST(Doctor, WithoutRootTheRemedyIsRoot) {
  Facts facts = good_node();
  facts.root = false;
  facts.capabilities = 0;
  facts.overlay = {EPERM, ""};
  EXPECT_EQ(check(facts, "root").state, State::kMissing);
  EXPECT_EQ(check(facts, "overlayfs").state, State::kUnknown);
  EXPECT_THAT(check(facts, "overlayfs").remedy, HasSubstr("sudo gnomon doctor"));
}

TEST(Doctor, TheRightToAdministerTheSystemStandsForThoseMadeOutOfIt) {
  Facts facts = good_node();
  drop(&facts, CAP_BPF);
  drop(&facts, CAP_PERFMON);
  EXPECT_EQ(check(facts, "cap_bpf").state, State::kOk);
  EXPECT_TRUE(diagnose(facts).sessions_can_run());
  drop(&facts, CAP_SYS_ADMIN);
  EXPECT_EQ(check(facts, "cap_bpf").state, State::kMissing);
}

TEST(Doctor, WithoutTheRightToListModulesAKernelIsNotCalledTooOld) {
  Facts facts = good_node();
  facts.probe->begin = {refused("tp_btf/begin", EINVAL)};
  EXPECT_EQ(check(facts, "connections").state, State::kMissing);
  drop(&facts, CAP_SYS_ADMIN);
  EXPECT_EQ(check(facts, "connections").state, State::kUnknown);
  EXPECT_THAT(check(facts, "connections").remedy, HasSubstr("CAP_SYS_ADMIN"));
}

TEST(Doctor, ASecondChoiceIsDegradedAndSaysWhyNotTheFirst) {
  Facts facts = good_node();
  facts.probe->send = {refused("tp_btf/first", ESRCH), loads("tp_btf/second")};
  const Check responses = check(facts, "responses");
  EXPECT_EQ(responses.state, State::kDegraded);
  EXPECT_THAT(responses.seen, AllOf(HasSubstr("tp_btf/second loads"), HasSubstr("tp_btf/first does not load (ESRCH)")));
  EXPECT_THAT(responses.remedy, HasSubstr("tp_btf/first"));
  EXPECT_EQ(diagnose(facts).send, "tp_btf/second");
  EXPECT_TRUE(diagnose(facts).sessions_can_run());
}

TEST(Doctor, TheProbeDoesWithoutTheCauses) {
  Facts facts = good_node();
  facts.probe->cause = {refused("tp_btf/cause", ESRCH)};
  EXPECT_EQ(check(facts, "causes").state, State::kDegraded);
  facts.probe->packets = {refused("cgroup_skb/packets", EINVAL)};
  EXPECT_EQ(check(facts, "spliced").state, State::kDegraded);
  EXPECT_TRUE(diagnose(facts).sessions_can_run());
}

TEST(Doctor, WithoutATapNoSessionRuns) {
  Facts facts = good_node();
  facts.probe->tap = {{probe::TapDesign::kPacketCopy, refused("tp_btf/copy", EINVAL)}};
  EXPECT_EQ(check(facts, "tap").state, State::kMissing);
  EXPECT_EQ(diagnose(facts).tap, "");
  EXPECT_FALSE(diagnose(facts).sessions_can_run());
  facts.probe.reset();
  drop(&facts, CAP_SYS_ADMIN);
  drop(&facts, CAP_BPF);
  EXPECT_EQ(check(facts, "tap").state, State::kUnknown);
}

TEST(Doctor, CgroupsAreNamedByTheirModeAndMustBeWritable) {
  Facts facts = good_node();
  EXPECT_THAT(check(facts, "cgroup").seen, HasSubstr("v2 at"));
  facts.cgroups.push_back({.mount = "/sys/fs/cgroup/cpu", .v2 = false, .make = {}, .cpu = true, .memory = false});
  EXPECT_THAT(check(facts, "cgroup").seen, HasSubstr("hybrid"));
  facts.cgroups = {{.mount = "/sys/fs/cgroup", .v2 = true, .make = {EROFS, ""}, .cpu = true, .memory = false}};
  EXPECT_EQ(check(facts, "cgroup").state, State::kMissing);
  EXPECT_THAT(check(facts, "cgroup").remedy, HasSubstr("mount -o remount,rw /sys/fs/cgroup"));
  EXPECT_EQ(check(facts, "cgroup_memory").state, State::kMissing);
  facts.cgroups.clear();
  EXPECT_EQ(check(facts, "cgroup").state, State::kMissing);
}

TEST(Doctor, CrunStartsShadowsWhereItCan) {
  Facts facts = good_node();
  facts.crun = "/usr/bin/crun";
  EXPECT_EQ(check(facts, "runc").seen, "/usr/bin/crun");
  facts.runc.clear();
  EXPECT_TRUE(diagnose(facts).sessions_can_run());
  facts.crun_starts = {EPERM, "cgroups in hybrid mode not supported"};
  EXPECT_THAT(check(facts, "runc").seen, HasSubstr("cgroups in hybrid mode not supported"));
  EXPECT_EQ(check(facts, "runc").remedy, "apt install runc");
  EXPECT_FALSE(diagnose(facts).sessions_can_run());
}

TEST(Doctor, WithoutUmociSessionsWithoutAnImageRun) {
  Facts facts = good_node();
  EXPECT_EQ(check(facts, "images").state, State::kOk);
  EXPECT_EQ(check(facts, "images").seen, "/usr/bin/umoci");
  facts.umoci.clear();
  EXPECT_EQ(check(facts, "images").state, State::kDegraded);
  EXPECT_THAT(check(facts, "images").remedy, HasSubstr("apt-get install umoci"));
  EXPECT_TRUE(diagnose(facts).sessions_can_run());
}

TEST(Doctor, FewOpenFilesAreDegraded) {
  Facts facts = good_node();
  facts.open_files = 1024;
  EXPECT_EQ(check(facts, "open_files").state, State::kDegraded);
  EXPECT_TRUE(diagnose(facts).sessions_can_run());
}

TEST(DoctorText, SaysTheVerdictAndNamesWhatIsMissing) {
  Facts facts = good_node();
  EXPECT_THAT(cli::diagnosis_text(diagnose(facts)), HasSubstr("\nsessions can run on this node\n"));
  facts.runc.clear();
  const std::string text = cli::diagnosis_text(diagnose(facts));
  EXPECT_THAT(text, HasSubstr("sessions cannot run on this node; missing: runc\n"));
  EXPECT_THAT(text, HasSubstr("remedy: apt install runc\n"));
}

TEST(DoctorText, ForeignTextCannotDriveTheTerminal) {
  Facts facts = good_node();
  facts.clock_source = "a\x1b[31mb";
  EXPECT_THAT(cli::diagnosis_text(diagnose(facts)), Not(HasSubstr("\x1b")));
}

TEST(DoctorJson, HoldsEveryCheckAndTheEvidence) {
  Facts facts = good_node();
  facts.probe->send = {refused("tp_btf/first", ESRCH), refused("tp_btf/second", EACCES)};
  facts.netem = {ENOENT, ""};
  const Diagnosis diagnosis = diagnose(facts);
  const auto json = nlohmann::json::parse(cli::diagnosis_json(diagnosis));
  EXPECT_EQ(json["sessions_can_run"], false);
  EXPECT_EQ(json["tap"], "packet-copy");
  EXPECT_TRUE(json["send"].is_null());
  EXPECT_EQ(json["checks"].size(), diagnosis.checks.size());
  EXPECT_EQ(json["evidence"]["tp_btf"], "yes");
  EXPECT_EQ(json["evidence"]["fentry"], "EPERM");
  EXPECT_EQ(json["evidence"]["tp_btf/first"], "ESRCH");
  EXPECT_EQ(json["evidence"]["netem"], "ENOENT");
}

}  // namespace
}  // namespace gnomon::doctor
