#pragma once
// One session on this node: from the instance to the last block. Owns its shadow, its replayer and its slots of the
// probe.

#include <functional>
#include <memory>
#include <vector>

#include "agent/probe/probe.h"
#include "agent/session/credentials.h"
#include "agent/session/plan.h"
#include "agent/shadow/shadow.h"
#include "telemetry/sample.h"

namespace gnomon::session {

struct Services {  // the node's, shared by all sessions
  probe::Probe& probe;
  shadow::Runtime& runtime;
  std::string credentials = kCredentials;  // directory: see read_password()
};

// Runs on a thread of its own from construction to a final state or destruction.
class Session {
 public:
  using OnReport = std::function<void(Report)>;                           // on every change
  using OnSamples = std::function<void(std::vector<telemetry::Sample>)>;  // about once a second
  Session(Plan plan, Services services, OnReport on_report, OnSamples on_samples);
  ~Session();  // ends it, removing the shadow
  // Of production's connections or requests, from the next second on; nothing is re-attached. Thread-safe.
  void set_sampled_fraction(Fraction fraction);
  // The profile's, from the next treatment on. Thread-safe.
  void set_noise(const document::Profile& profile);
  // CPU and memory of the profile, from the next block on; what cannot be done is told in the report. Thread-safe.
  void set_resources(const document::Profile& profile);
  // From the tap thread: a record of the production slot. Returns false if it is not this session's.
  bool record(const tap_record& header, std::span<const std::byte> payload);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gnomon::session
