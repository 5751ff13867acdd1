// What a TopologyReplica tells its consumer: values, in the order in which they are to be acted on.
//
// Threads: values. Members are shared and immutable; a MemberMap is one reference count.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/event.h"
#include "core/ids.h"
#include "core/member_map.h"
#include "core/time.h"

namespace rollcall::client {

// A place in the log: what to resume after. seq_no 0: none, start from a snapshot.
struct Position {
  Epoch epoch;
  SeqNo seq_no;
  bool none() const { return seq_no == SeqNo{}; }
  friend bool operator==(const Position&, const Position&) = default;
};

// The members changed: by one delta, or because a snapshot differs from what was held. Act in the
// order left, joined, changed: a node that came back in another incarnation is in `left` and in
// `joined`. The first topology of a replica is always told, also when it is empty.
struct TopologyChange {
  bool from_snapshot = false;
  bool first = false;
  Position position;
  std::uint64_t hash = 0;  // of `members`, as the sidecar states it
  ProviderId provider_id;
  Duration source_age{};  // how old the answer was that made it; 0 for a snapshot
  std::vector<LeftMember> left;
  std::vector<Member> joined;
  std::vector<Member> changed;
  MemberMap members;  // all of them, after the change
};

// One node, for remoting. Each join and leave is told once, whether the log said it or a snapshot
// showed it (then `from_snapshot`).
struct RemoteChange {
  RemoteKind kind = RemoteKind::Join;
  Member node;
  ProviderId provider_id;
  Position position;  // with provider_id: the idempotency key
  bool from_snapshot = false;
};

struct ProviderChange {
  ProviderId from;
  ProviderId to;                         // empty: none
  std::optional<FailoverReason> reason;  // nothing: seen in a snapshot, which has none
};

struct AvailabilityChange {
  Availability availability = Availability::Unavailable;
  std::string reason;  // empty: seen in a snapshot
  bool placement_paused = true;
  bool stale = true;
};

struct HealthChange {
  ProviderId provider_id;
  HealthState health = HealthState::Unreachable;
  Advice advice = Advice::None;
};

struct LeasesChange {
  std::uint64_t tick = 0;
  std::vector<Lease> leases;
  bool whole_table = false;  // from a snapshot: these and no others
};

// The copy is what the sidecar has at this position: after a snapshot and at every bookmark.
struct Synced {
  Position position;
  bool from_snapshot = false;
};

enum class TroubleKind : std::uint8_t {
  Gap = 1,                  // an event is missing: a snapshot is asked for
  HashMismatch = 2,         // the copy is not what the sidecar has: a snapshot is asked for
  Malformed = 3,            // a snapshot that doesn't hold together: another is asked for
  VerificationStopped = 4,  // mismatched again after a snapshot: the copy is kept unproved
  UnknownHashVersion = 5,   // a newer sidecar: the copy can't be proved by this library
};
std::string_view to_string(TroubleKind kind);

struct Trouble {
  TroubleKind kind = TroubleKind::Gap;
  Position position;
  std::string message;
};

using Notice = std::variant<TopologyChange, RemoteChange, ProviderChange, event::StreamTerminated,
                            AvailabilityChange, HealthChange, LeasesChange, Synced, Trouble>;

}  // namespace rollcall::client
