#pragma once
// The agent's end of the stream to the coordinator: reconnects for ever, keeps samples until they are acknowledged.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/discovery/instance.h"
#include "agent/session/plan.h"
#include "telemetry/sample.h"

namespace grpc {
class ChannelInterface;
}

namespace gnomon::link {

struct NodeFacts {
  std::string node, version, kernel;
  unsigned cpus = 0;
  Bytes memory;
  MilliCpu budget_cpu;
  Bytes budget_memory;
};

struct DesiredState {
  std::uint64_t revision = 0;
  std::vector<document::Service> services;
  std::vector<session::Plan> sessions;
};

struct InstanceReport {
  std::string service;
  discovery::Instance instance;
  std::string error;  // not empty: no instance, and why
};

struct NodeReport {
  std::uint64_t applied_revision = 0;
  std::vector<InstanceReport> instances;
  std::vector<session::Report> sessions;
};

// Thread-safe. Callbacks come from a thread of the link's own, one at a time.
class Link {
 public:
  using OnDesired = std::function<void(DesiredState)>;
  // A desired state that does not validate is logged and reported, not passed on.
  Link(std::shared_ptr<grpc::ChannelInterface> channel, NodeFacts facts, OnDesired on_desired);
  ~Link();  // ends the stream and joins the thread
  // The latest report is sent on change, on every reconnection, and every few seconds.
  void report(NodeReport report);
  // Queued until acknowledged; beyond 10,000 samples the oldest are dropped and counted.
  void send(std::vector<telemetry::Sample> samples);
  std::uint64_t dropped_samples() const;
  bool connected() const;
  // True when everything sent so far was acknowledged before `timeout`, nothing of it dropped.
  bool drain(Nanos timeout);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A channel to a coordinator at "host:port" or "unix:path", as a link wants it: gRPC's own pauses between attempts to
// connect are no longer than the link's, and a peer that is gone without a word is noticed.
std::shared_ptr<grpc::ChannelInterface> open_channel(const std::string& address);

}  // namespace gnomon::link
