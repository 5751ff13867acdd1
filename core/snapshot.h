// TopologySnapshot: everything a consumer may be told at one place of the log. The core makes a
// new one after each step; the hub encodes it for subscribers that need a snapshot; HTTP and the
// admin API read it. Copying costs a few reference counts, whatever the size of the cluster.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/event.h"
#include "core/ids.h"
#include "core/lease_map.h"
#include "core/member_map.h"
#include "core/time.h"

namespace rollcall {

inline constexpr std::uint32_t kHashVersion = 1;  // SPEC 4: frozen

struct TopologySnapshot {
  Epoch epoch;
  SeqNo seq_no;               // newest event included; n = 0 only before the epoch's first event
  bool has_topology = false;  // false: no provider was ever confirmed and no cache: NO_SNAPSHOT
  MemberMap members;          // its hash is the snapshot_hash
  Availability availability = Availability::Unavailable;
  std::string availability_reason;
  bool placement_paused = true;
  bool stale = true;  // not confirmed by the active provider (cache, outage, termination)
  bool draining = false;
  MonoTime confirmed_at{};  // of `members`; age = now − confirmed_at
  WallTime observed_at{};   // wall time of the answer behind `members`
  ProviderId active;        // empty: none
  HealthState active_health = HealthState::Unreachable;
  std::shared_ptr<const LeaseMap> leases;  // null: none
  std::uint64_t lease_tick = 0;
  SeqNo last_change;  // newest delta or reset of this epoch; PublishOwnership compares with it

  std::uint64_t hash() const { return members.hash(); }
};

}  // namespace rollcall
