// TopologyReplica: a consumer's own, proved copy of the topology (SPEC 5), as a pure state machine:
// events in, notices out. It has no clock, thread, lock or connection; the Subscriber feeds it, and
// a simulator or a test can as well.
//
// What it guarantees to whoever acts on its notices:
//  - every event of the log is told once, in order, however often the connection breaks; those that
//    a snapshot stands for are told as the difference that it makes;
//  - the members it holds are those the sidecar had at position(): proved by the hash that travels
//    with every event, at a cost of O(change · log members);
//  - joins and leaves that happened while it wasn't listening are told as if it had been;
//  - what it holds stays usable while a new snapshot is awaited.
//
// When a snapshot is asked for again, the sidecar may send one that is older than the copy (it
// keeps at most two). The replica then follows the log from there in a second copy, tells nothing,
// and compares once that has caught up: time never runs backwards for the consumer.
//
// Threads: one owner, any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bridges/client/replica/notice.h"
#include "bridges/client/replica/snapshot_assembly.h"
#include "core/error.h"
#include "core/member_map.h"
#include "core/snapshot.h"
#include "rollcall/v1/events.pb.h"

namespace rollcall::client {

enum class Phase : std::uint8_t {
  Empty = 1,             // nothing held; a snapshot is awaited
  Following = 2,         // the copy follows the log
  AwaitingSnapshot = 3,  // the copy is kept as it is until a snapshot comes
  CatchingUp = 4,        // a snapshot older than the copy came; a second copy follows the log
};
std::string_view to_string(Phase phase);

enum class Verification : std::uint8_t {
  On = 1,
  UnknownVersion = 2,  // of the hash: a newer sidecar
  Stopped = 3,         // after limits::kMaxMismatches
  NoCopy = 4,          // Keep::Position
};
std::string_view to_string(Verification verification);

// What the replica holds beside the leases. Copying it is cheap.
struct TopologyView {
  Phase phase = Phase::Empty;
  Verification verification = Verification::On;
  Position position;  // everything up to here is in the view and was told
  MemberMap members;
  Availability availability = Availability::Unavailable;
  std::string availability_reason;
  bool placement_paused = true;
  bool stale = true;
  bool draining = false;
  ProviderId provider_id;                         // the active one; empty: none
  HealthState health = HealthState::Unreachable;  // of the active one
  Advice advice = Advice::None;                   // of the active one
  std::uint64_t snapshot_age_ms = 0;  // age of the topology when the newest snapshot was encoded
  std::uint64_t lease_tick = 0;
  bool has_topology() const { return phase != Phase::Empty; }
};

enum class Verdict : std::uint8_t {
  Applied = 1,   // a log entry: the position moved
  Position = 2,  // a snapshot chunk or a bookmark: taken
  Ignored = 3,   // applied before, or of no use while a snapshot is awaited
  Resync = 4,    // subscribe again from resume_position(), which now asks for a snapshot
};

struct Step {
  Verdict verdict = Verdict::Ignored;
  std::vector<Notice> notices;
};

class TopologyReplica {
 public:
  enum class Keep : std::uint8_t {
    Copy = 1,  // members, state, leases; proved
    // Only the place in the log: for consumers that keep a copy of their own, and begin it afresh
    // with each snapshot. A snapshot puts the position to where it stands, also further back; the
    // events after that come once more then, and are Applied.
    Position = 2,
  };
  explicit TopologyReplica(Keep keep = Keep::Copy);

  // Takes one event as it came from the stream.
  Step apply(const v1::ClusterEvent& event);

  // A new stream begins: an unfinished snapshot of the one before is dropped.
  void stream_opened();

  // What to put into WatchRequest; none: from a snapshot.
  Position resume_position() const;

  const TopologyView& view() const { return view_; }
  const LeaseTable& leases() const { return leases_; }

  // The copy as bytes, for a consumer that wants to go on where it was after its own restart; empty
  // while nothing is held. Its size is about that of a snapshot.
  std::string export_state() const;
  // Into a fresh replica of Keep::Copy; tells nothing, as the consumer knows what it saved.
  // STORE_CORRUPTED if it isn't whole, OUT_OF_ORDER if something is held already.
  Result<void> import_state(std::string_view bytes);
  // Into a fresh replica of Keep::Position.
  Result<void> resume_at(Position position);

 private:
  struct SecondCopy {
    MemberMap members;
    SeqNo seq_no;
  };

  Step apply_chunk(const v1::ClusterEvent& event);
  Step apply_bookmark(const v1::ClusterEvent& event);
  Step apply_entry(const v1::ClusterEvent& event);
  Step follow_position(const v1::ClusterEvent& event);
  bool apply_delta(const v1::ClusterEvent& event, Step& step);
  void apply_state(const v1::ClusterEvent& event, Step& step);
  void apply_remote(const v1::ClusterEvent& event, Step& step);
  void apply_provider(const v1::ProviderChanged& change, Step& step);
  void apply_health(const v1::HealthWarning& warning, Step& step);
  void apply_leases(const v1::LeaseUpdated& update, Step& step);
  void advance(SeqNo seq_no, Step& step);

  void count_in(Epoch epoch);
  void adopt(AssembledSnapshot snapshot, Step& step);
  void adopt_state(const AssembledSnapshot& snapshot);
  void tell_state(const TopologyView& before, Step& step, bool pausing) const;
  void tell_members(const MemberMap& before, bool first, Step& step);
  void tell_remote(Step& step);

  bool proves(const MemberMap& members, std::uint64_t hash) const;
  // Counts it; true: a snapshot has to be asked for. False: verification has just been stopped.
  bool mismatch(Position at, std::string what, Step& step);
  Step resync(TroubleKind kind, Position at, std::string message);
  void ask_for_snapshot();

  const Keep keep_;
  TopologyView view_;
  LeaseTable leases_;
  std::map<ProviderId, HealthChange> health_;  // of at most limits::kMaxProviders
  // What remoting has been told of: differs from view_.members between a delta and the
  // remote_topology events that follow it. Shares its structure with it.
  MemberMap told_;
  std::optional<SecondCopy> second_;  // while CatchingUp
  SnapshotAssembly assembly_;
  Epoch counted_in_;  // the epoch that mismatches_ belongs to
  int mismatches_ = 0;
  bool snapshot_wanted_ = true;  // resume from a snapshot, not from the position
  bool old_stream_ = false;  // a snapshot was asked for; what still comes is of the stream before
};

}  // namespace rollcall::client
