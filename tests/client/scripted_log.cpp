#include "tests/client/scripted_log.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "bridges/client/replica/wire.h"
#include "core/codec/canonical.h"

namespace rollcall::client::testing {

ClusterNode make_node(const std::string& id, const std::string& incarnation, NodeStatus status) {
  ClusterNode node;
  node.id = NodeId(id);
  node.host = "10.0.0.1";
  node.port = 7000;
  node.zone = "a";
  node.labels = {{"rack", "r1"}};
  node.status = status;
  node.incarnation = incarnation;
  return node;
}

ScriptedLog::ScriptedLog(std::uint64_t boot)
    : boot_(boot), epoch_(make_epoch(boot, 0xabcd)), seq_no_(make_seq(boot, 0)) {}

void ScriptedLog::restart() {
  ++boot_;
  epoch_ = make_epoch(boot_, 0xabcd);
  seq_no_ = make_seq(boot_, 0);
}

v1::ClusterEvent ScriptedLog::next() {
  seq_no_ = seq_no_.next();
  return bookmark();
}

v1::ClusterEvent ScriptedLog::bookmark() const {
  v1::ClusterEvent event;
  event.set_epoch(epoch_.value());
  event.set_seq_no(seq_no_.value());
  event.set_snapshot_hash(hash());
  event.mutable_bookmark();
  return event;
}

v1::ClusterEvent ScriptedLog::delta(const std::function<void(v1::Delta&)>& fill, MemberMap after) {
  const std::uint64_t before = hash();
  members_ = std::move(after);
  v1::ClusterEvent event = next();
  v1::Delta& delta = *event.mutable_delta();
  delta.set_invalidates_hash(before);
  delta.set_provider_id("p");
  fill(delta);
  return event;
}

v1::ClusterEvent ScriptedLog::join(const ClusterNode& node) {
  return delta([&](v1::Delta& d) { *d.add_joined() = node_to_wire(node); },
               members_.with(make_member(node)));
}

v1::ClusterEvent ScriptedLog::leave(const std::string& id) {
  const Member* member = members_.find(NodeId(id));
  const std::string incarnation = member == nullptr ? "" : member->node->incarnation;
  return delta(
      [&](v1::Delta& d) {
        d.add_left()->set_id(id);
        d.mutable_left(0)->set_incarnation(incarnation);
      },
      members_.without(NodeId(id)));
}

v1::ClusterEvent ScriptedLog::change(const ClusterNode& node, bool blocked) {
  return delta([&](v1::Delta& d) { *d.add_changed() = node_to_wire(node, blocked); },
               members_.with(make_member(node, blocked)));
}

v1::ClusterEvent ScriptedLog::rejoin(const ClusterNode& node) {
  const Member* member = members_.find(node.id);
  const std::string old_one = member == nullptr ? "" : member->node->incarnation;
  return delta(
      [&](v1::Delta& d) {
        d.add_left()->set_id(node.id.str());
        d.mutable_left(0)->set_incarnation(old_one);
        *d.add_joined() = node_to_wire(node);
      },
      members_.with(make_member(node)));
}

v1::ClusterEvent ScriptedLog::remote(v1::RemoteKind kind, const ClusterNode& node, bool blocked) {
  v1::ClusterEvent event = next();
  auto& remote = *event.mutable_remote_topology();
  remote.set_kind(kind);
  *remote.mutable_node() = node_to_wire(node, blocked);
  remote.set_provider_id("p");
  return event;
}

v1::ClusterEvent ScriptedLog::availability(v1::Availability availability, bool paused, bool stale) {
  v1::ClusterEvent event = next();
  auto& change = *event.mutable_availability_changed();
  change.set_availability(availability);
  change.set_reason("a reason");
  change.set_placement_paused(paused);
  change.set_stale(stale);
  return event;
}

v1::ClusterEvent ScriptedLog::provider_changed(const std::string& from, const std::string& to) {
  v1::ClusterEvent event = next();
  auto& change = *event.mutable_provider_changed();
  change.set_from_provider_id(from);
  change.set_to_provider_id(to);
  change.set_reason(v1::FAILOVER_REASON_TIMEOUT);
  return event;
}

v1::ClusterEvent ScriptedLog::health(const std::string& provider, v1::Health health,
                                     v1::Advice advice) {
  v1::ClusterEvent event = next();
  auto& warning = *event.mutable_health_warning();
  warning.set_provider_id(provider);
  warning.set_health(health);
  warning.set_advice(advice);
  return event;
}

v1::ClusterEvent ScriptedLog::leases(std::uint64_t tick,
                                     const std::vector<std::string>& partitions) {
  v1::ClusterEvent event = next();
  auto& update = *event.mutable_lease_updated();
  update.set_tick(tick);
  for (const auto& partition : partitions) {
    auto& lease = *update.add_leases();
    lease.set_partition(partition);
    lease.set_owner("n1");
    lease.set_lease_id(tick);
  }
  return event;
}

v1::ClusterEvent ScriptedLog::terminated(const std::string& provider, const std::string& code) {
  v1::ClusterEvent event = next();
  event.mutable_stream_terminated()->set_provider_id(provider);
  event.mutable_stream_terminated()->set_code(code);
  return event;
}

v1::ClusterEvent ScriptedLog::reset(MemberMap members) {
  const std::uint64_t before = hash();
  members_ = std::move(members);
  v1::ClusterEvent event = next();
  event.mutable_reset()->set_invalidates_hash(before);
  return event;
}

v1::ClusterEvent ScriptedLog::unknown() {
  v1::ClusterEvent event = next();
  event.clear_event();
  return event;
}

std::vector<v1::ClusterEvent> ScriptedLog::snapshot(std::size_t members_a_chunk) const {
  return snapshot_of(epoch_, seq_no_, members_, members_a_chunk);
}

std::vector<v1::ClusterEvent> ScriptedLog::snapshot_of(Epoch epoch, SeqNo seq_no,
                                                       const MemberMap& members,
                                                       std::size_t members_a_chunk) {
  const std::vector<Member> all = members.to_vector();
  std::vector<v1::ClusterEvent> chunks;
  std::size_t at = 0;
  do {
    v1::ClusterEvent event;
    event.set_epoch(epoch.value());
    event.set_seq_no(seq_no.value());
    event.set_snapshot_hash(members.hash());
    v1::SnapshotChunk& chunk = *event.mutable_snapshot();
    chunk.set_chunk_index(static_cast<std::uint32_t>(chunks.size()));
    chunk.set_hash_version(1);
    chunk.set_total_members(static_cast<std::uint32_t>(all.size()));
    chunk.set_availability(all.empty() ? v1::AVAILABILITY_EMPTY : v1::AVAILABILITY_AVAILABLE);
    chunk.set_provider_id("p");
    chunk.set_health(v1::HEALTH_HEALTHY);
    for (std::size_t i = 0; i < members_a_chunk && at < all.size(); ++i, ++at) {
      *chunk.add_members() = node_to_wire(*all[at].node, all[at].blocked);
    }
    chunk.set_last(at == all.size());
    chunks.push_back(std::move(event));
  } while (at < all.size());
  return chunks;
}

}  // namespace rollcall::client::testing
