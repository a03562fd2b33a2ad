#include "coordinator/session/noise_verdict.h"

#include <string>

#include "fmt/format.h"

namespace gnomon::session {

judge::Expectation expected_of(const document::Profile& profile) {
  const document::Noise& noise = profile.noise;
  const bool depends = !profile.dependencies.empty();
  const bool shaped = noise.packet_reordering.value > 0 || noise.rate_limit > 0;
  return {.delay_mean = noise.response_delay_mean,
          .delay_stddev = noise.response_delay_stddev,
          .error_rate = noise.error_rate.value,
          .delay_shape = noise.response_delay_distribution,
          .more_errors = noise.connection_refusal.value + noise.connection_reset.value,
          .unpredicted = shaped || depends || noise.packet_loss.value > 0,
          .unpredicted_service = depends || noise.packet_loss.value > 0};
}

void take_checks_into_account(const v1::SessionStatus& status, v1::Verdict& verdict) {
  std::string off;
  for (const v1::NoiseCheck& check : status.noise_checks())
    if (check.off())
      off += (off.empty() ? "" : ", ") + check.kind() +
             (check.dependency().empty() ? "" : " (to " + check.dependency() + ")");
  if (off.empty()) return;
  if (verdict.outcome() == v1::OUTCOME_AS_EXPECTED) verdict.set_outcome(v1::OUTCOME_INCONCLUSIVE);
  verdict.set_summary(
      fmt::format("Noise is off: {} was not injected as asked for, so that nothing can be as expected. {}", off,
                  verdict.summary()));
}

}  // namespace gnomon::session
