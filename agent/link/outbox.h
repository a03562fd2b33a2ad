#pragma once
// Samples on their way: numbered batches, kept until they are acknowledged. Pure; its owner locks.

#include <cstdint>
#include <deque>
#include <vector>

#include "gnomon/v1/control.pb.h"
#include "telemetry/sample.h"

namespace gnomon::link {

class Outbox {
 public:
  static constexpr std::size_t kMaxSamples = 10'000;

  // Queues one batch. Beyond kMaxSamples the oldest batches are dropped and their samples counted.
  void add(const std::vector<telemetry::Sample>& samples);
  // The next batch that was not handed out since the last rewind(); nullptr: none. Valid until the next call.
  const v1::SampleBatch* next();
  // A new connection: everything that is not acknowledged is handed out again, under the same numbers.
  void rewind() { handed_out_ = 0; }
  // Forgets batches up to `sequence`.
  void acknowledge(std::uint64_t sequence);

  bool has_next() const { return handed_out_ < batches_.size(); }
  bool awaits_ack() const { return handed_out_ > 0; }
  std::uint64_t last_sequence() const { return last_sequence_; }
  bool holds_none_up_to(std::uint64_t sequence) const {
    return batches_.empty() || batches_.front().sequence() > sequence;
  }
  std::uint64_t dropped() const { return dropped_; }

 private:
  void pop();
  std::deque<v1::SampleBatch> batches_;
  std::size_t samples_ = 0;     // in all batches
  std::size_t handed_out_ = 0;  // of the front
  std::uint64_t last_sequence_ = 0, dropped_ = 0;
};

}  // namespace gnomon::link
