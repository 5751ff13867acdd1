// ProviderHealth: is one provider alive? One enum and one table (SPEC 3 "Health").
//
// Threads: a value, used by the writer only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/error.h"
#include "core/event.h"
#include "core/time.h"
#include "provisioning/failover/failover_policy.h"

namespace rollcall {

class ProviderHealth {
 public:
  enum class Phase : std::uint8_t {
    Idle,      // not watched
    Starting,  // watched, no confirmed answer yet
    Healthy,
    Degraded,     // late, or in error
    Unreachable,  // silent, too many errors, or terminated
  };
  enum class Signal : std::uint8_t {
    Watch,
    Unwatch,
    Confirmed,
    Error,
    Exhausted,
    Terminated,
    Late,
    Silent,
  };
  static Phase next(Phase phase, Signal signal);  // the table

  // When a confirmation is late, and when it means silence.
  struct Limits {
    Duration degraded_after{};
    Duration timeout{};
  };
  // A provider that attests more rarely than `degraded_after` stretches both (1.2 ×, 1.5 ×).
  static Limits limits(const FailoverPolicy& policy, Duration attest_interval);

  void watch(MonoTime now);
  void unwatch();
  // `complete`: when the answer was; it may have waited since.
  void confirmed(MonoTime complete, MonoTime now);
  void failed(std::uint32_t errors, ErrorCode code, std::string detail, int max_errors);
  void terminated(bool ended, ErrorCode code, std::string detail);
  // Lets time pass. Idempotent.
  void advance(const Limits& limits, MonoTime now);
  // When advance() would change something, if nothing else happens.
  std::optional<MonoTime> deadline(const Limits& limits) const;

  Phase phase() const { return phase_; }
  HealthState state() const;  // Idle shows as Unreachable, Starting as Degraded
  bool ever_answered() const { return ever_answered_; }
  MonoTime confirmed_at() const { return confirmed_at_; }
  MonoTime healthy_since() const { return healthy_since_; }  // meaningful while Healthy
  std::uint32_t consecutive_errors() const { return errors_; }
  const std::optional<ErrorCode>& last_error() const { return last_error_; }
  const std::string& last_error_detail() const { return last_error_detail_; }
  // Why it became Unreachable: TIMEOUT (silence) or HEALTH_DEGRADED (errors, termination).
  FailoverReason cause() const { return cause_; }

 private:
  void signal(Signal signal);
  FailoverReason silence_or_errors() const;

  Phase phase_ = Phase::Idle;
  bool ever_answered_ = false;
  MonoTime watched_at_{};
  MonoTime confirmed_at_{};
  MonoTime healthy_since_{};
  std::uint32_t errors_ = 0;  // in a row
  std::optional<ErrorCode> last_error_;
  std::string last_error_detail_;
  FailoverReason cause_ = FailoverReason::Timeout;
};

}  // namespace rollcall
