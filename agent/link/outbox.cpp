#include "agent/link/outbox.h"

#include "telemetry/wire.h"

namespace gnomon::link {

void Outbox::add(const std::vector<telemetry::Sample>& samples) {
  if (samples.empty()) return;
  v1::SampleBatch& batch = batches_.emplace_back();
  batch.set_sequence(++last_sequence_);
  for (const telemetry::Sample& sample : samples) *batch.add_samples() = telemetry::to_wire(sample);
  samples_ += samples.size();
  while (samples_ > kMaxSamples) {
    dropped_ += static_cast<std::uint64_t>(batches_.front().samples_size());
    pop();
  }
}

const v1::SampleBatch* Outbox::next() {
  return has_next() ? &batches_[handed_out_++] : nullptr;
}

void Outbox::acknowledge(std::uint64_t sequence) {
  while (!batches_.empty() && handed_out_ > 0 && batches_.front().sequence() <= sequence) pop();
}

void Outbox::pop() {
  samples_ -= static_cast<std::size_t>(batches_.front().samples_size());
  batches_.pop_front();
  if (handed_out_ > 0) --handed_out_;
}

}  // namespace gnomon::link
