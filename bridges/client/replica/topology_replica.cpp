// How the copy follows the log: sequence, proof, snapshots. What is told of it is in
// replica_state.cpp.
#include "bridges/client/replica/topology_replica.h"

#include <utility>

#include "bridges/client/replica/limits.h"
#include "bridges/client/replica/wire.h"

namespace rollcall::client {
namespace {

Position position_of(const v1::ClusterEvent& event) {
  return {Epoch(event.epoch()), SeqNo(event.seq_no())};
}

std::string at_text(Position position) {
  return "at " + std::to_string(position.epoch.value()) + ":" +
         std::to_string(position.seq_no.value());
}

}  // namespace

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::Empty:
      return "EMPTY";
    case Phase::Following:
      return "FOLLOWING";
    case Phase::AwaitingSnapshot:
      return "AWAITING_SNAPSHOT";
    case Phase::CatchingUp:
      return "CATCHING_UP";
  }
  return "?";
}

std::string_view to_string(Verification verification) {
  switch (verification) {
    case Verification::On:
      return "ON";
    case Verification::UnknownVersion:
      return "UNKNOWN_VERSION";
    case Verification::Stopped:
      return "STOPPED";
    case Verification::NoCopy:
      return "NO_COPY";
  }
  return "?";
}

std::string_view to_string(TroubleKind kind) {
  switch (kind) {
    case TroubleKind::Gap:
      return "GAP";
    case TroubleKind::HashMismatch:
      return "HASH_MISMATCH";
    case TroubleKind::Malformed:
      return "MALFORMED";
    case TroubleKind::VerificationStopped:
      return "VERIFICATION_STOPPED";
    case TroubleKind::UnknownHashVersion:
      return "UNKNOWN_HASH_VERSION";
  }
  return "?";
}

TopologyReplica::TopologyReplica(Keep keep) : keep_(keep) {
  if (keep_ == Keep::Position) view_.verification = Verification::NoCopy;
}

void TopologyReplica::stream_opened() {
  assembly_.discard();
  old_stream_ = false;
}

Position TopologyReplica::resume_position() const {
  if (snapshot_wanted_) return {};
  if (second_) return {view_.position.epoch, second_->seq_no};
  return view_.position;
}

Step TopologyReplica::apply(const v1::ClusterEvent& event) {
  if (keep_ == Keep::Position) return follow_position(event);
  switch (event.event_case()) {
    case v1::ClusterEvent::kSnapshot:
      return apply_chunk(event);
    case v1::ClusterEvent::kBookmark:
      return apply_bookmark(event);
    default:
      return apply_entry(event);
  }
}

// --- asking again ---

void TopologyReplica::ask_for_snapshot() {
  second_.reset();
  assembly_.discard();
  snapshot_wanted_ = true;
  old_stream_ = true;
  view_.phase = view_.phase == Phase::Empty ? Phase::Empty : Phase::AwaitingSnapshot;
}

Step TopologyReplica::resync(TroubleKind kind, Position at, std::string message) {
  ask_for_snapshot();
  Step step;
  step.verdict = Verdict::Resync;
  step.notices.emplace_back(Trouble{kind, at, std::move(message)});
  return step;
}

bool TopologyReplica::proves(const MemberMap& members, std::uint64_t hash) const {
  return view_.verification != Verification::On || members.hash() == hash;
}

bool TopologyReplica::mismatch(Position at, std::string what, Step& step) {
  ++mismatches_;
  step.notices.emplace_back(
      Trouble{TroubleKind::HashMismatch, at, std::move(what) + " " + at_text(at)});
  if (mismatches_ < limits::kMaxMismatches) {
    ask_for_snapshot();
    step.verdict = Verdict::Resync;
    return true;
  }
  view_.verification = Verification::Stopped;
  step.notices.emplace_back(
      Trouble{TroubleKind::VerificationStopped, at,
              "the hash did not match again; the copy is no longer proved in this epoch"});
  return false;
}

// --- snapshots ---

Step TopologyReplica::apply_chunk(const v1::ClusterEvent& event) {
  Step step;
  step.verdict = Verdict::Position;
  switch (assembly_.add(event)) {
    case SnapshotAssembly::Progress::Incomplete:
      return step;
    case SnapshotAssembly::Progress::Broken:
      return resync(TroubleKind::Malformed, position_of(event), std::string(assembly_.problem()));
    case SnapshotAssembly::Progress::Complete:
      break;
  }
  AssembledSnapshot snapshot = assembly_.take();
  count_in(snapshot.position.epoch);
  if (view_.verification != Verification::Stopped) {
    const bool known = snapshot.hash_version == kHashVersion;
    if (!known && view_.verification == Verification::On) {
      step.notices.emplace_back(
          Trouble{TroubleKind::UnknownHashVersion, snapshot.position,
                  "hash_version " + std::to_string(snapshot.hash_version) +
                      " is not known to this library; the copy is not proved"});
    }
    view_.verification = known ? Verification::On : Verification::UnknownVersion;
  }
  if (!proves(snapshot.members, snapshot.hash)) {
    std::string what = "a snapshot's members do not have its hash";
    if (snapshot.unusable_members > 0) {
      what += " (" + std::to_string(snapshot.unusable_members) + " could not be held)";
    }
    if (mismatch(snapshot.position, std::move(what), step)) return step;
  }
  snapshot_wanted_ = false;
  const bool older = view_.phase != Phase::Empty &&
                     snapshot.position.epoch == view_.position.epoch &&
                     snapshot.position.seq_no < view_.position.seq_no;
  if (older) {
    view_.phase = Phase::CatchingUp;
    second_ = SecondCopy{std::move(snapshot.members), snapshot.position.seq_no};
    return step;
  }
  adopt(std::move(snapshot), step);
  return step;
}

// Mismatches belong to an epoch: another life of the sidecar gets the benefit of the doubt.
void TopologyReplica::count_in(Epoch epoch) {
  if (epoch == counted_in_) return;
  counted_in_ = epoch;
  mismatches_ = 0;
  if (view_.verification == Verification::Stopped) view_.verification = Verification::On;
}

// --- positions ---

Step TopologyReplica::apply_bookmark(const v1::ClusterEvent& event) {
  const Position at = position_of(event);
  Step step;
  if (view_.phase == Phase::AwaitingSnapshot) {
    if (old_stream_) return step;
    return resync(TroubleKind::Gap, at, "a bookmark where a snapshot was due");
  }
  if (view_.phase == Phase::Empty || at.epoch != view_.position.epoch) {
    return resync(TroubleKind::Gap, at, "a bookmark of an epoch whose snapshot never came");
  }
  const SeqNo here = second_ ? second_->seq_no : view_.position.seq_no;
  if (at.seq_no > here) {
    return resync(TroubleKind::Gap, at,
                  "a bookmark ahead of the newest event, " + std::to_string(here.value()));
  }
  if (at.seq_no < here) return step;
  step.verdict = Verdict::Position;
  const MemberMap& members = second_ ? second_->members : view_.members;
  if (!proves(members, event.snapshot_hash()) &&
      mismatch(at, "a bookmark's hash is not that of the copy", step)) {
    return step;
  }
  if (!second_) step.notices.emplace_back(Synced{at, false});
  return step;
}

// --- log entries ---

Step TopologyReplica::apply_entry(const v1::ClusterEvent& event) {
  const Position at = position_of(event);
  Step step;
  if (view_.phase == Phase::AwaitingSnapshot) return step;
  if (view_.phase == Phase::Empty || at.epoch != view_.position.epoch) {
    return resync(TroubleKind::Gap, at, "an event of an epoch whose snapshot never came");
  }
  const SeqNo here = second_ ? second_->seq_no : view_.position.seq_no;
  if (at.seq_no <= here) return step;
  if (at.seq_no != here.next()) {
    return resync(TroubleKind::Gap, at,
                  "event " + std::to_string(at.seq_no.value()) + " followed event " +
                      std::to_string(here.value()));
  }
  // What a second copy follows again was told when it came first.
  step.verdict = at.seq_no <= view_.position.seq_no ? Verdict::Ignored : Verdict::Applied;
  if (event.event_case() == v1::ClusterEvent::kReset) {
    // The position stays before it: whatever breaks now, resuming meets the reset again.
    second_.reset();
    assembly_.discard();
    view_.phase = Phase::AwaitingSnapshot;
    return step;
  }
  if (event.event_case() == v1::ClusterEvent::kDelta) {
    if (!apply_delta(event, step)) return step;
  } else if (event.event_case() != v1::ClusterEvent::EVENT_NOT_SET) {
    const MemberMap& members = second_ ? second_->members : view_.members;
    if (!proves(members, event.snapshot_hash()) &&
        mismatch(at, "an event's hash is not that of the copy", step)) {
      return step;
    }
    if (!second_) apply_state(event, step);
  }
  advance(at.seq_no, step);
  return step;
}

// False: a snapshot has been asked for and the copy is as it was.
bool TopologyReplica::apply_delta(const v1::ClusterEvent& event, Step& step) {
  const v1::Delta& delta = event.delta();
  const Position at = position_of(event);
  const MemberMap before = second_ ? second_->members : view_.members;
  TopologyChange change;
  MemberMap after = before;
  std::size_t unusable = 0;
  for (const auto& left : delta.left()) {
    after = after.without(NodeId(left.id()));
    change.left.push_back({NodeId(left.id()), left.incarnation()});
  }
  const auto take = [&](const auto& nodes, std::vector<Member>& into) {
    for (const auto& node : nodes) {
      if (auto member = member_from_wire(node)) {
        after = after.with(*member);
        into.push_back(*std::move(member));
      } else {
        ++unusable;
      }
    }
  };
  take(delta.joined(), change.joined);
  take(delta.changed(), change.changed);
  if (!proves(before, delta.invalidates_hash()) || !proves(after, event.snapshot_hash())) {
    std::string what = before.hash() != delta.invalidates_hash()
                           ? "a delta invalidates a hash that the copy does not have"
                           : "a delta leads to a hash that the copy does not have";
    if (unusable > 0) what += " (" + std::to_string(unusable) + " members could not be held)";
    if (mismatch(at, std::move(what), step)) return false;
  }
  if (second_) {
    second_->members = std::move(after);
    return true;
  }
  view_.members = std::move(after);
  change.position = at;
  change.hash = event.snapshot_hash();
  change.provider_id = ProviderId(delta.provider_id());
  change.source_age = std::chrono::milliseconds(delta.source_age_ms());
  change.members = view_.members;
  step.notices.emplace_back(std::move(change));
  return true;
}

void TopologyReplica::advance(SeqNo seq_no, Step& step) {
  if (!second_) {
    view_.position.seq_no = seq_no;
    return;
  }
  second_->seq_no = seq_no;
  if (seq_no < view_.position.seq_no) return;
  // Caught up: what the copy has wrong, if anything, is the difference.
  const MemberMap before = std::exchange(view_.members, std::move(second_->members));
  second_.reset();
  view_.phase = Phase::Following;
  tell_members(before, false, step);
  tell_remote(step);
  step.notices.emplace_back(Synced{view_.position, true});
}

Step TopologyReplica::follow_position(const v1::ClusterEvent& event) {
  const Position at = position_of(event);
  const bool same_epoch = !view_.position.none() && at.epoch == view_.position.epoch;
  Step step;
  if (event.event_case() == v1::ClusterEvent::kSnapshot) {
    step.verdict = Verdict::Position;
    if (!event.snapshot().last()) return step;
    // Also further back, as when the sidecar's log never got to where we were told to resume: what
    // follows is numbered from there, and belongs to the copy that the consumer makes of this.
    view_.position = at;
    view_.phase = Phase::Following;
    snapshot_wanted_ = false;
    step.notices.emplace_back(Synced{view_.position, true});
    return step;
  }
  if (event.event_case() == v1::ClusterEvent::kBookmark) {
    if (same_epoch && at.seq_no > view_.position.seq_no) {
      return resync(TroubleKind::Gap, at, "a bookmark ahead of the newest event");
    }
    step.verdict = Verdict::Position;
    if (same_epoch) step.notices.emplace_back(Synced{at, false});
    return step;
  }
  if (view_.phase == Phase::AwaitingSnapshot) return step;
  if (!same_epoch) {
    return resync(TroubleKind::Gap, at, "an event of an epoch whose snapshot never came");
  }
  if (at.seq_no <= view_.position.seq_no) return step;
  if (at.seq_no != view_.position.seq_no.next()) {
    return resync(TroubleKind::Gap, at,
                  "event " + std::to_string(at.seq_no.value()) + " followed event " +
                      std::to_string(view_.position.seq_no.value()));
  }
  view_.position = at;
  step.verdict = Verdict::Applied;
  return step;
}

}  // namespace rollcall::client
