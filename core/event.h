// The events of the one log (SPEC 5), as values. Encoding them for the wire is the bridges' work.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/error.h"
#include "core/ids.h"
#include "core/node.h"
#include "core/time.h"

namespace rollcall {

enum class Availability : std::uint8_t { Available = 1, Empty = 2, Unavailable = 3, Draining = 4 };
std::string_view to_string(Availability a);  // "AVAILABLE" …

enum class HealthState : std::uint8_t { Healthy = 1, Degraded = 2, Unreachable = 3 };
std::string_view to_string(HealthState h);  // "HEALTHY" …

enum class FailoverReason : std::uint8_t {
  Timeout = 1,         // silence
  HealthDegraded = 2,  // errors, termination
  ManualOverride = 3,  // any operator's act
  Recovered = 4,       // first activation and the way back up
};
std::string_view to_string(FailoverReason r);  // "TIMEOUT" …

enum class Advice : std::uint8_t {
  None = 1,
  AvoidNewChannels = 2,
  RemovalsHeld = 3,
  ProviderHeld = 4,
};
std::string_view to_string(Advice a);  // "NONE" …

enum class RemoteKind : std::uint8_t { Join = 1, Leave = 2, Blocked = 3, Unblocked = 4 };
std::string_view to_string(RemoteKind k);  // "JOIN" …

struct Lease {
  std::string partition;  // key; ≤ 256 bytes
  NodeId owner;
  std::uint64_t lease_id = 0;
  std::int64_t expires_at_unix_ms = 0;  // information for the partition manager; 0: none
  std::string metadata;                 // opaque; the whole lease ≤ limits::kMaxLeaseBytes
  friend bool operator==(const Lease&, const Lease&) = default;
};

struct LeftMember {
  NodeId id;
  std::string incarnation;
};

namespace event {

// One provider answer (or block, guard release, operator switch) makes at most one delta. Applied
// in the order left, joined, changed: a new incarnation is in `left` and in `joined`.
struct Delta {
  std::vector<LeftMember> left;
  std::vector<Member> joined;
  std::vector<Member> changed;     // blocks included
  std::uint64_t invalidates_hash = 0;  // the hash before
  ProviderId provider_id;
  Duration source_age{};           // now − when the answer was complete
};
// The change was too large for one event: every subscriber gets a snapshot.
struct Reset {
  std::uint64_t invalidates_hash = 0;
  ProviderId provider_id;
};
struct RemoteTopology {
  RemoteKind kind = RemoteKind::Join;
  Member node;
  ProviderId provider_id;  // idempotency key: (provider_id, seq_no)
};
struct ProviderChanged {
  ProviderId from;  // empty: none before
  ProviderId to;    // empty: none after (UNAVAILABLE)
  FailoverReason reason = FailoverReason::Recovered;
};
struct StreamTerminated {
  ProviderId provider_id;
  bool ended = false;
  ErrorCode code = ErrorCode::BackendUnavailable;  // when !ended
};
struct AvailabilityChanged {
  Availability availability = Availability::Unavailable;
  std::string reason;  // one of a fixed set of short texts
  bool placement_paused = true;
  bool stale = false;
};
struct HealthWarning {
  ProviderId provider_id;
  HealthState health = HealthState::Healthy;
  Advice advice = Advice::None;
};
struct LeaseUpdated {
  std::uint64_t tick = 0;
  std::vector<Lease> leases;
};

}  // namespace event

struct Event {
  SeqNo seq_no;
  Epoch epoch;
  std::uint64_t snapshot_hash = 0;  // of the topology that this event leaves
  WallTime observed_at{};           // when the answer behind it was complete
  std::variant<event::Delta, event::Reset, event::RemoteTopology, event::ProviderChanged,
               event::StreamTerminated, event::AvailabilityChanged, event::HealthWarning,
               event::LeaseUpdated>
      body;
};
inline constexpr std::size_t kEventKinds = 8;
std::string_view event_name(const Event& e);  // "delta", "remote_topology" … (metric label)

// An upper bound of the event's encoded size in bytes, computed without encoding: decides between
// delta and reset inside the pure core. A test holds it against the real encoder.
std::size_t encoded_size_bound(const Event& e);

}  // namespace rollcall
