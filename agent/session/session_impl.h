#pragma once
// What a session holds while it runs. session.cpp has its life, phases.cpp its blocks and pauses, follow.cpp what it
// does when production restarts.

#include <sys/eventfd.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "agent/discovery/instance.h"
#include "agent/session/held_cpu.h"
#include "agent/session/load.h"
#include "agent/session/noise_control.h"
#include "agent/session/observer.h"
#include "agent/session/pauses.h"
#include "agent/session/production.h"
#include "agent/session/production_process.h"
#include "agent/session/progress.h"
#include "agent/session/resources.h"
#include "agent/session/session.h"
#include "agent/session/steadiness.h"
#include "agent/session/tls.h"
#include "agent/session/watchdog.h"

namespace gnomon::session {

inline constexpr char kProc[] = "/proc";
inline constexpr char kCgroup[] = "/sys/fs/cgroup";
inline constexpr Nanos kSampleEvery = std::chrono::seconds(1);

// Session's thread runs it; members are touched on it alone where nothing else is said.
struct Session::Impl {
  Impl(Plan session_plan, Services node, OnReport report_to, OnSamples samples_to)
      : plan(std::move(session_plan)),
        services(node),
        on_report(std::move(report_to)),
        on_samples(std::move(samples_to)),
        stop_event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        fraction(plan.service.sampled_fraction),
        applied_fraction(plan.service.sampled_fraction) {
    report.id = plan.id;
    report.completed_blocks = plan.completed_blocks;
  }

  void run();
  absl::Status execute();
  absl::Status start_shadow();
  absl::Status attach();
  absl::Status capture_production();
  absl::Status with_production(const std::function<absl::Status()>& step);
  absl::Status follow_production();
  absl::Status take_over();
  absl::Status warm_up();
  absl::Status run_block(const Block& block);
  absl::Status run_piece(const Block& block, Nanos measured);
  absl::Status drain();
  absl::Status pause(Nanos length);
  absl::Status set_off(bool is_off);
  absl::Status compare(const Watchdog::Window& on, const Watchdog::Window& paused);
  absl::Status look_until(MonoTime deadline, Nanos length);
  Nanos look_length(Nanos most) const;
  absl::Status wait(Nanos at_most, int also = -1);
  absl::Status wait_until(MonoTime deadline);
  absl::Status observe();
  absl::Status enter_phase(int block, double load_multiple, bool noisy);
  absl::Status settle();
  double effective_fraction() const;
  absl::Status adjust_fraction();
  void adjust_resources();
  void note_representativeness();
  void turn_to(ProgressMeter::Activity activity);
  void say(State state, std::string message = "");
  void tear_down();

  const Plan plan;
  const Services services;
  const OnReport on_report;
  const OnSamples on_samples;
  const UniqueFd stop_event;
  const SystemClock clock;
  std::atomic<Fraction> fraction;  // that is wanted
  std::mutex resources_mutex;      // guards the profile whose resources are wanted
  document::Profile resources = plan.profile;
  Report report;
  ProgressMeter progress{plan.warm_up, plan.blocks, plan.completed_blocks};

  discovery::Instance instance;
  ProductionProcess production_process;
  unsigned restarts = 0;  // of production
  std::string followed;   // when it last restarted, for people
  std::unique_ptr<shadow::Shadow> shadow;
  std::optional<probe::Slot> shadow_slot;
  Tls tls;
  NoiseControl noise{plan.profile, clock};
  std::unique_ptr<Load> load;
  std::unique_ptr<Observer> observer;
  replay::Phase phase;
  MonoTime next_sample;
  Fraction applied_fraction;
  Resources applied_resources;
  std::string resources_problem;  // why they are not what was asked for last

  Steadiness steadiness;
  bool is_warming = false;  // then the shadow's latency is watched

  Watchdog watchdog{plan.service.max_production_cost};
  Pauses pauses{plan.seed};
  bool off = false;                          // paused: the session does nothing that may cost production
  HeldCpu held;                              // the shadow's, while it is off
  Watchdog::Window window;                   // of production, since it was last emptied
  Watchdog::Window working;                  // the last of the work before a pause
  std::optional<Watchdog::Window> unpaired;  // a pause that is compared with the work after it
  std::uint64_t production_requests = 0;     // seen so far, in
  Nanos production_span{0};

  std::mutex tap_mutex;  // guards the pointer, which the tap's thread follows
  std::unique_ptr<Production> production;

  std::thread thread;
};

}  // namespace gnomon::session
