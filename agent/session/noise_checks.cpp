#include "agent/session/noise_checks.h"

#include <chrono>

namespace gnomon::session {

noise::NoiseModel model_of(const document::Noise& noise) {
  return {.delay_mean = noise.response_delay_mean,
          .delay_stddev = noise.response_delay_stddev,
          .error_rate = noise.error_rate,
          .delay_shape = noise.response_delay_distribution,
          .reset = noise.connection_reset};
}

std::vector<noise::Check> check_injected(const document::Noise& asked, const std::vector<noise::Use>& uses,
                                         const Injected& injected) {
  const auto& [tally, packets, shaped, limited_bits, on] = injected;
  std::vector<noise::Check> checks;
  for (const noise::Use& use : uses) {
    const std::string engine = name_of(use.engine);
    const auto share = [&](Fraction of, std::uint64_t events, std::uint64_t trials) {
      checks.push_back(noise::check_share(use.kind, engine, of, events, trials));
    };
    if (use.kind == "response_delay") {
      for (noise::Check& check : noise::check_delay(model_of(asked), tally, engine)) checks.push_back(std::move(check));
    } else if (use.kind == "error_rate") {
      share(asked.error_rate, tally.failed, tally.requests);
    } else if (use.kind == "packet_loss") {
      share(asked.packet_loss, packets.dropped, packets.packets);
    } else if (use.kind == "packet_duplication") {
      share(asked.packet_duplication, packets.duplicated, packets.offered);
    } else if (use.kind == "packet_reordering") {
      share(asked.packet_reordering, shaped.reordered, shaped.packets);
    } else if (use.kind == "rate_limit") {
      checks.push_back(noise::check_rate(use.kind, engine, static_cast<double>(asked.rate_limit), limited_bits,
                                         std::chrono::duration<double>(on).count()));
    } else if (use.kind == "connection_refusal" && use.engine == noise::Engine::kTc) {
      share(asked.connection_refusal, packets.refused, packets.attempts);
    } else if (use.kind == "connection_refusal") {
      share(asked.connection_refusal, tally.refused, tally.connections);
    } else {
      share(asked.connection_reset, tally.reset, tally.responding);
    }
  }
  return checks;
}

noise_counters since(const noise_counters& before, const noise_counters& now) {
  return {.packets = now.packets - before.packets,
          .dropped = now.dropped - before.dropped,
          .offered = now.offered - before.offered,
          .duplicated = now.duplicated - before.duplicated,
          .attempts = now.attempts - before.attempts,
          .refused = now.refused - before.refused,
          .responses = now.responses - before.responses,
          .response_bytes = now.response_bytes - before.response_bytes};
}

}  // namespace gnomon::session
