// What the replica holds beside the members' sequence, and what it tells of changes.
#include <google/protobuf/arena.h>

#include <limits>
#include <utility>

#include "bridges/client/replica/topology_replica.h"
#include "bridges/client/replica/wire.h"
#include "core/limits.h"

namespace rollcall::client {
namespace {

bool pauses(Availability availability) {
  return availability == Availability::Empty || availability == Availability::Unavailable;
}

// SPEC 1: another declared incarnation is another life. One that is declared for the first time, or
// no longer, tells nothing about that.
bool another_life(const Member& before, const Member& after) {
  const std::string& old_one = before.node->incarnation;
  const std::string& new_one = after.node->incarnation;
  return !old_one.empty() && !new_one.empty() && old_one != new_one;
}

}  // namespace

// --- from events ---

void TopologyReplica::apply_state(const v1::ClusterEvent& event, Step& step) {
  switch (event.event_case()) {
    case v1::ClusterEvent::kRemoteTopology:
      return apply_remote(event, step);
    case v1::ClusterEvent::kProviderChanged:
      return apply_provider(event.provider_changed(), step);
    case v1::ClusterEvent::kHealthWarning:
      return apply_health(event.health_warning(), step);
    case v1::ClusterEvent::kLeaseUpdated:
      return apply_leases(event.lease_updated(), step);
    case v1::ClusterEvent::kStreamTerminated: {
      const auto& terminated = event.stream_terminated();
      step.notices.emplace_back(event::StreamTerminated{
          ProviderId(terminated.provider_id()), terminated.ended(),
          error_code_from_string(terminated.code()).value_or(ErrorCode::BackendUnavailable)});
      return;
    }
    case v1::ClusterEvent::kAvailabilityChanged: {
      const auto& change = event.availability_changed();
      view_.availability = availability_from_wire(change.availability());
      view_.availability_reason = change.reason();
      view_.placement_paused = change.placement_paused();
      view_.stale = change.stale();
      if (view_.availability == Availability::Draining) view_.draining = true;  // it is one-way
      step.notices.emplace_back(AvailabilityChange{view_.availability, view_.availability_reason,
                                                   view_.placement_paused, view_.stale});
      return;
    }
    default:
      return;
  }
}

void TopologyReplica::apply_remote(const v1::ClusterEvent& event, Step& step) {
  const auto& remote = event.remote_topology();
  const auto kind = remote_kind_from_wire(remote.kind());
  auto node = member_from_wire(remote.node());
  if (!kind || !node) return;
  // What a snapshot has told already comes again when that snapshot was made between a delta and
  // its remote_topology events.
  const Member* told = told_.find(node->id());
  const bool same_life = told != nullptr && !another_life(*told, *node);
  switch (*kind) {
    case RemoteKind::Join:
      if (same_life && told->blocked == node->blocked) return;
      told_ = told_.with(*node);
      break;
    case RemoteKind::Leave:
      if (!same_life) return;
      told_ = told_.without(node->id());
      break;
    case RemoteKind::Blocked:
    case RemoteKind::Unblocked:
      if (told != nullptr && told->blocked == (*kind == RemoteKind::Blocked)) return;
      told_ = told_.with(*node);
      break;
  }
  step.notices.emplace_back(RemoteChange{*kind,
                                         *std::move(node),
                                         ProviderId(remote.provider_id()),
                                         {Epoch(event.epoch()), SeqNo(event.seq_no())},
                                         false});
}

void TopologyReplica::apply_provider(const v1::ProviderChanged& change, Step& step) {
  view_.provider_id = ProviderId(change.to_provider_id());
  const auto known = health_.find(view_.provider_id);
  if (view_.provider_id.empty()) {
    view_.health = HealthState::Unreachable;
    view_.advice = Advice::AvoidNewChannels;
  } else {
    // Only a healthy provider takes over (SPEC 3); a switch may take another, whose warning
    // follows.
    view_.health = known == health_.end() ? HealthState::Healthy : known->second.health;
    view_.advice = known == health_.end() ? Advice::None : known->second.advice;
  }
  step.notices.emplace_back(ProviderChange{ProviderId(change.from_provider_id()), view_.provider_id,
                                           reason_from_wire(change.reason())});
}

void TopologyReplica::apply_health(const v1::HealthWarning& warning, Step& step) {
  HealthChange change{ProviderId(warning.provider_id()), health_from_wire(warning.health()),
                      advice_from_wire(warning.advice())};
  if (health_.contains(change.provider_id) || health_.size() < rollcall::limits::kMaxProviders) {
    health_.insert_or_assign(change.provider_id, change);
  }
  if (change.provider_id == view_.provider_id) {
    view_.health = change.health;
    view_.advice = change.advice;
  }
  step.notices.emplace_back(std::move(change));
}

void TopologyReplica::apply_leases(const v1::LeaseUpdated& update, Step& step) {
  LeasesChange change;
  change.tick = update.tick();
  for (const auto& wire : update.leases()) {
    Lease lease = lease_from_wire(wire);
    if (leases_.size() >= rollcall::limits::kMaxLeases && !leases_.contains(lease.partition)) {
      continue;
    }
    leases_.insert_or_assign(lease.partition, lease);
    change.leases.push_back(std::move(lease));
  }
  view_.lease_tick = change.tick;
  step.notices.emplace_back(std::move(change));
}

// --- from snapshots ---

void TopologyReplica::adopt_state(const AssembledSnapshot& snapshot) {
  if (snapshot.availability != view_.availability) view_.availability_reason.clear();
  view_.availability = snapshot.availability;
  view_.placement_paused = pauses(snapshot.availability);
  view_.stale = snapshot.stale;
  view_.draining = snapshot.draining;
  view_.provider_id = snapshot.provider_id;
  view_.health = snapshot.health;
  view_.advice = snapshot.health == HealthState::Healthy ? Advice::None : Advice::AvoidNewChannels;
  view_.snapshot_age_ms = snapshot.age_ms;
  view_.lease_tick = snapshot.lease_tick;
  health_.clear();
  if (!view_.provider_id.empty()) {
    health_[view_.provider_id] = {view_.provider_id, view_.health, view_.advice};
  }
}

// The order of SPEC 5: what pauses, the provider, the members, the nodes, what resumes.
void TopologyReplica::adopt(AssembledSnapshot snapshot, Step& step) {
  const TopologyView before = view_;
  const bool first = view_.phase == Phase::Empty;
  second_.reset();
  adopt_state(snapshot);
  view_.phase = Phase::Following;
  view_.position = snapshot.position;
  view_.members = std::move(snapshot.members);
  const bool new_leases = snapshot.leases != leases_;
  leases_ = std::move(snapshot.leases);

  tell_state(before, step, true);
  if (view_.provider_id != before.provider_id) {
    step.notices.emplace_back(ProviderChange{before.provider_id, view_.provider_id, {}});
  }
  tell_members(before.members, first, step);
  tell_remote(step);
  tell_state(before, step, false);
  if (new_leases) {
    LeasesChange change{view_.lease_tick, {}, true};
    for (const auto& [partition, lease] : leases_) change.leases.push_back(lease);
    step.notices.emplace_back(std::move(change));
  }
  step.notices.emplace_back(Synced{view_.position, true});
}

// `pausing`: tell it if it pauses placement; else if it doesn't, and health.
void TopologyReplica::tell_state(const TopologyView& before, Step& step, bool pausing) const {
  const bool availability_differs =
      before.phase == Phase::Empty || before.availability != view_.availability ||
      before.stale != view_.stale || before.placement_paused != view_.placement_paused;
  if (availability_differs && view_.placement_paused == pausing) {
    step.notices.emplace_back(AvailabilityChange{view_.availability, view_.availability_reason,
                                                 view_.placement_paused, view_.stale});
  }
  const bool health_differs =
      before.provider_id == view_.provider_id && before.health != view_.health;
  const bool new_and_unwell =
      before.provider_id != view_.provider_id && view_.health != HealthState::Healthy;
  if (!pausing && !view_.provider_id.empty() && (health_differs || new_and_unwell)) {
    step.notices.emplace_back(HealthChange{view_.provider_id, view_.health, view_.advice});
  }
}

void TopologyReplica::tell_members(const MemberMap& before, bool first, Step& step) {
  MemberMap::Difference difference = MemberMap::diff(before, view_.members);
  if (difference.empty() && !first) return;
  TopologyChange change;
  change.from_snapshot = true;
  change.first = first;
  change.position = view_.position;
  change.hash = view_.members.hash();
  change.provider_id = view_.provider_id;
  change.members = view_.members;
  for (const Member& gone : difference.removed) {
    change.left.push_back({gone.id(), gone.node->incarnation});
  }
  change.joined = std::move(difference.added);
  for (auto& [old_one, new_one] : difference.changed) {
    if (another_life(old_one, new_one)) {
      change.left.push_back({old_one.id(), old_one.node->incarnation});
      change.joined.push_back(std::move(new_one));
    } else {
      change.changed.push_back(std::move(new_one));
    }
  }
  step.notices.emplace_back(std::move(change));
}

void TopologyReplica::tell_remote(Step& step) {
  const MemberMap::Difference difference = MemberMap::diff(told_, view_.members);
  told_ = view_.members;
  const auto tell = [&](RemoteKind kind, const Member& node) {
    step.notices.emplace_back(RemoteChange{kind, node, view_.provider_id, view_.position, true});
  };
  for (const Member& gone : difference.removed) tell(RemoteKind::Leave, gone);
  for (const auto& [old_one, new_one] : difference.changed) {
    if (another_life(old_one, new_one)) {
      tell(RemoteKind::Leave, old_one);
      tell(RemoteKind::Join, new_one);
    } else if (old_one.blocked != new_one.blocked) {
      tell(new_one.blocked ? RemoteKind::Blocked : RemoteKind::Unblocked, new_one);
    }
  }
  for (const Member& node : difference.added) tell(RemoteKind::Join, node);
}

// --- the copy as bytes ---

std::string TopologyReplica::export_state() const {
  if (keep_ == Keep::Position || view_.phase == Phase::Empty) return {};
  google::protobuf::Arena arena;
  auto* batch = google::protobuf::Arena::CreateMessage<v1::WatchBatch>(&arena);
  v1::ClusterEvent& event = *batch->add_events();
  event.set_epoch(view_.position.epoch.value());
  event.set_seq_no(view_.position.seq_no.value());
  event.set_snapshot_hash(view_.members.hash());
  v1::SnapshotChunk& chunk = *event.mutable_snapshot();
  chunk.set_last(true);
  chunk.set_hash_version(kHashVersion);
  chunk.set_total_members(static_cast<std::uint32_t>(view_.members.size()));
  view_.members.for_each([&chunk](const Member& member) {
    *chunk.add_members() = node_to_wire(*member.node, member.blocked);
  });
  for (const auto& [partition, lease] : leases_) *chunk.add_leases() = lease_to_wire(lease);
  chunk.set_availability(availability_to_wire(view_.availability));
  chunk.set_stale(view_.stale);
  chunk.set_age_ms(view_.snapshot_age_ms);
  chunk.set_draining(view_.draining);
  chunk.set_provider_id(view_.provider_id.str());
  chunk.set_health(health_to_wire(view_.health));
  chunk.set_lease_tick(view_.lease_tick);
  return batch->SerializeAsString();
}

Result<void> TopologyReplica::import_state(std::string_view bytes) {
  if (keep_ == Keep::Position || view_.phase != Phase::Empty) {
    return fail(ErrorCode::OutOfOrder, "a state can only be imported into a fresh replica");
  }
  const auto corrupted = [](std::string why) {
    return fail(ErrorCode::StoreCorrupted, "the saved state can't be used: " + std::move(why));
  };
  google::protobuf::Arena arena;
  auto* batch = google::protobuf::Arena::CreateMessage<v1::WatchBatch>(&arena);
  if (bytes.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !batch->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      batch->events_size() != 1 || !batch->events(0).has_snapshot()) {
    return corrupted("it is not one snapshot");
  }
  SnapshotAssembly assembly;
  if (assembly.add(batch->events(0)) != SnapshotAssembly::Progress::Complete) {
    return corrupted(std::string(assembly.problem()));
  }
  AssembledSnapshot snapshot = assembly.take();
  if (snapshot.hash_version != kHashVersion || snapshot.members.hash() != snapshot.hash ||
      snapshot.position.none()) {
    return corrupted("its members do not have its hash");
  }
  count_in(snapshot.position.epoch);
  adopt_state(snapshot);
  view_.phase = Phase::Following;
  view_.position = snapshot.position;
  view_.members = std::move(snapshot.members);
  told_ = view_.members;
  leases_ = std::move(snapshot.leases);
  snapshot_wanted_ = false;
  return {};
}

Result<void> TopologyReplica::resume_at(Position position) {
  if (keep_ == Keep::Copy || view_.phase != Phase::Empty) {
    return fail(ErrorCode::OutOfOrder,
                "only a fresh replica that keeps no copy can be put at a position");
  }
  if (position.none()) return {};
  view_.position = position;
  view_.phase = Phase::Following;
  snapshot_wanted_ = false;
  return {};
}

}  // namespace rollcall::client
