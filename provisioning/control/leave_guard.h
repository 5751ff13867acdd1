// LeaveGuard: holds removals back when too many come within a short time (SPEC 3, off by default).
//
// It keeps the books: how many members were removed within the window, and which removals are held,
// since when and by whose answer. A held removal's member stays in the topology. Who releases them
// is the core's decision.
//
// Threads: a value, used by the writer only. Bounded by the number of members and
// kMaxBatches.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "core/ids.h"
#include "core/time.h"
#include "provisioning/failover/failover_policy.h"

namespace rollcall {

class LeaveGuard {
 public:
  // Moments of removals remembered at once; `hold` may be a day, and answers come many a second.
  static constexpr std::size_t kMaxBatches = 1024;

  struct Held {
    MonoTime since{};
    ProviderId provider;  // whose answer lacks the node
  };

  // Whether `removals` more from `members` would exceed the share. Counts what was removed within
  // the window before `now` to both sides.
  bool exceeds(const LeaveGuardPolicy& policy, std::size_t removals, std::size_t members,
               MonoTime now);
  void removed(std::size_t count, MonoTime now);
  std::size_t batches() const { return window_.size(); }

  void hold(const NodeId& id, Held held);
  void forget(const NodeId& id);  // released, dropped, or back
  bool holds(const NodeId& id) const { return held_.contains(id); }
  const std::map<NodeId, Held>& held() const { return held_; }
  // Whether any removal is held by the answer of somebody else.
  bool holds_beside(const ProviderId& provider) const;
  // When the first of the held ones expires; none: nothing is held.
  std::optional<MonoTime> next_expiry(const LeaveGuardPolicy& policy) const;

 private:
  struct Batch {
    MonoTime at{};
    std::size_t count = 0;
  };
  std::deque<Batch> window_;  // oldest first
  std::size_t in_window_ = 0;
  std::map<NodeId, Held> held_;
  // How many of them: the first expiry, and whose they are, without a scan.
  std::map<MonoTime, std::size_t> by_since_;
  std::map<ProviderId, std::size_t> by_provider_;
};

}  // namespace rollcall
