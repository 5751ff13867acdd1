// FailoverPolicy: the numbers of SPEC 3, all configurable.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/limits.h"
#include "core/time.h"

namespace rollcall {

struct LeaveGuardPolicy {
  bool enabled = false;
  double max_share = 0.25;  // of the members that may be removed within `hold`, 0 < share ≤ 1
  Duration hold{std::chrono::seconds(60)};
  friend bool operator==(const LeaveGuardPolicy&, const LeaveGuardPolicy&) = default;
};

// Whose members make the topology.
enum class TopologyMode : std::uint8_t {
  Failover = 1,  // the active provider's
  Merge = 2,     // those of all providers that answer (control/merged_view.h)
};
// Which members of two providers are one node, in TopologyMode::Merge.
enum class MergeIdentity : std::uint8_t { Id = 1, Address = 2 };
std::string_view to_string(TopologyMode mode);       // "failover", "merge"
std::string_view to_string(MergeIdentity identity);  // "id", "address"
std::optional<TopologyMode> topology_mode_from_string(std::string_view name);
std::optional<MergeIdentity> merge_identity_from_string(std::string_view name);

struct FailoverPolicy {
  TopologyMode mode = TopologyMode::Failover;
  MergeIdentity identity = MergeIdentity::Id;
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
