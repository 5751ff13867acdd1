// FailoverPolicy: the numbers of SPEC 3, all configurable.
#pragma once

#include "core/limits.h"
#include "core/time.h"

namespace rollcall {

struct LeaveGuardPolicy {
  bool enabled = false;
  double max_share = 0.25;  // of the members that may be removed within `hold`, 0 < share ≤ 1
  Duration hold{std::chrono::seconds(60)};
  friend bool operator==(const LeaveGuardPolicy&, const LeaveGuardPolicy&) = default;
};

struct FailoverPolicy {
  Duration degraded_after{limits::kDegradedAfter};
  Duration timeout{limits::kTimeout};
  int max_errors = limits::kMaxErrors;
  Duration backoff_initial{limits::kBackoffInitial};
  Duration backoff_max{limits::kBackoffMax};
  double backoff_jitter = 0.2;
  Duration cooldown{limits::kCooldown};
  int hold_failures = limits::kHoldFailures;
  Duration hold_window{limits::kHoldWindow};
  Duration rollback_stand{limits::kRollbackStand};
  Duration block_lifetime{limits::kBlockLifetime};
  LeaveGuardPolicy leave_guard;
  friend bool operator==(const FailoverPolicy&, const FailoverPolicy&) = default;
};

}  // namespace rollcall
