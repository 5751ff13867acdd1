#include "provisioning/failover/provider_health.h"

#include <algorithm>
#include <array>
#include <utility>

namespace rollcall {
namespace {

using Phase = ProviderHealth::Phase;
constexpr std::size_t kPhases = 5;
constexpr std::size_t kSignals = 8;

constexpr auto I = Phase::Idle, S = Phase::Starting, H = Phase::Healthy, D = Phase::Degraded,
               U = Phase::Unreachable;

constexpr std::array<std::array<Phase, kSignals>, kPhases> kTable = {{
    // Watch Unwatch Confirmed Error Exhausted Terminated Late Silent
    {S, I, I, I, I, I, I, I},  // Idle
    {S, I, H, S, U, U, S, U},  // Starting: still waited for, whatever errors it had so far
    {H, I, H, D, U, U, D, U},  // Healthy
    {D, I, H, D, U, U, D, U},  // Degraded
    {U, I, H, U, U, U, U, U},  // Unreachable: only a confirmed answer leads out
}};

}  // namespace

ProviderHealth::Phase ProviderHealth::next(Phase phase, Signal signal) {
  return kTable[static_cast<std::size_t>(phase)][static_cast<std::size_t>(signal)];
}

ProviderHealth::Limits ProviderHealth::limits(const FailoverPolicy& policy,
                                              Duration attest_interval) {
  Limits limits{policy.degraded_after, policy.timeout};
  if (attest_interval > policy.degraded_after) {
    limits.degraded_after = attest_interval * 6 / 5;
    limits.timeout = std::max(policy.timeout, Duration(attest_interval * 3 / 2));
  }
  return limits;
}

void ProviderHealth::signal(Signal signal) { phase_ = next(phase_, signal); }

FailoverReason ProviderHealth::silence_or_errors() const {
  // A request that ran into its deadline is silence too, seen from the provider's side.
  const bool silent = errors_ == 0 || last_error_ == ErrorCode::Timeout;
  return silent ? FailoverReason::Timeout : FailoverReason::HealthDegraded;
}

void ProviderHealth::watch(MonoTime now) {
  if (phase_ == Phase::Idle) {
    *this = ProviderHealth();
    watched_at_ = now;
  }
  signal(Signal::Watch);
}

void ProviderHealth::unwatch() { signal(Signal::Unwatch); }

void ProviderHealth::confirmed(MonoTime complete, MonoTime now) {
  const bool was_healthy = phase_ == Phase::Healthy;
  confirmed_at_ = ever_answered_ ? std::max(confirmed_at_, complete) : complete;
  confirmed_at_ = std::min(confirmed_at_, now);
  ever_answered_ = true;
  errors_ = 0;
  signal(Signal::Confirmed);
  if (!was_healthy) healthy_since_ = now;
}

void ProviderHealth::failed(std::uint32_t errors, ErrorCode code, std::string detail,
                            int max_errors) {
  if (errors == 0) return;
  errors_ += errors;
  last_error_ = code;
  last_error_detail_ = std::move(detail);
  const bool exhausted = errors_ >= static_cast<std::uint32_t>(std::max(1, max_errors));
  if (exhausted && phase_ != Phase::Unreachable) cause_ = silence_or_errors();
  signal(exhausted ? Signal::Exhausted : Signal::Error);
}

void ProviderHealth::terminated(bool ended, ErrorCode code, std::string detail) {
  if (phase_ != Phase::Unreachable) cause_ = FailoverReason::HealthDegraded;
  ++errors_;
  if (!ended) {
    last_error_ = code;
    last_error_detail_ = std::move(detail);
  }
  signal(Signal::Terminated);
}

void ProviderHealth::advance(const Limits& limits, MonoTime now) {
  if (phase_ == Phase::Idle || phase_ == Phase::Unreachable) return;
  const MonoTime since = ever_answered_ ? confirmed_at_ : watched_at_;
  if (now - since >= limits.timeout) {
    cause_ = silence_or_errors();
    signal(Signal::Silent);
  } else if (now - since >= limits.degraded_after) {
    signal(Signal::Late);
  }
}

std::optional<MonoTime> ProviderHealth::deadline(const Limits& limits) const {
  const MonoTime since = ever_answered_ ? confirmed_at_ : watched_at_;
  switch (phase_) {
    case Phase::Idle:
    case Phase::Unreachable:
      return std::nullopt;
    case Phase::Healthy:
      return since + limits.degraded_after;
    case Phase::Starting:
    case Phase::Degraded:
      return since + limits.timeout;
  }
  return std::nullopt;
}

HealthState ProviderHealth::state() const {
  switch (phase_) {
    case Phase::Healthy:
      return HealthState::Healthy;
    case Phase::Starting:
    case Phase::Degraded:
      return HealthState::Degraded;
    case Phase::Idle:
    case Phase::Unreachable:
      break;
  }
  return HealthState::Unreachable;
}

}  // namespace rollcall
