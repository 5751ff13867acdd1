#include "bridges/codec/event_codec.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

namespace rollcall {
namespace {

// A chunk's own fields and the framing of one more entry in it.
constexpr std::size_t kChunkOverhead = 512;
constexpr std::size_t kEntryOverhead = 8;

void write(const v1::WatchBatch& batch, std::uint8_t* to, std::size_t size) {
  google::protobuf::io::ArrayOutputStream array(to, static_cast<int>(size));
  google::protobuf::io::CodedOutputStream out(&array);
  out.SetSerializationDeterministic(true);
  batch.SerializeWithCachedSizes(&out);
}

std::string write(const v1::WatchBatch& batch) {
  std::string bytes(batch.ByteSizeLong(), '\0');
  write(batch, reinterpret_cast<std::uint8_t*>(bytes.data()), bytes.size());
  return bytes;
}

v1::RemoteKind to_proto(RemoteKind kind) {
  switch (kind) {
    case RemoteKind::Join:
      return v1::REMOTE_KIND_JOIN;
    case RemoteKind::Leave:
      return v1::REMOTE_KIND_LEAVE;
    case RemoteKind::Blocked:
      return v1::REMOTE_KIND_BLOCKED;
    case RemoteKind::Unblocked:
      return v1::REMOTE_KIND_UNBLOCKED;
  }
  return v1::REMOTE_KIND_UNSPECIFIED;
}

v1::FailoverReason to_proto(FailoverReason reason) {
  switch (reason) {
    case FailoverReason::Timeout:
      return v1::FAILOVER_REASON_TIMEOUT;
    case FailoverReason::HealthDegraded:
      return v1::FAILOVER_REASON_HEALTH_DEGRADED;
    case FailoverReason::ManualOverride:
      return v1::FAILOVER_REASON_MANUAL_OVERRIDE;
    case FailoverReason::Recovered:
      return v1::FAILOVER_REASON_RECOVERED;
  }
  return v1::FAILOVER_REASON_UNSPECIFIED;
}

v1::Advice to_proto(Advice advice) {
  switch (advice) {
    case Advice::None:
      return v1::ADVICE_NONE;
    case Advice::AvoidNewChannels:
      return v1::ADVICE_AVOID_NEW_CHANNELS;
    case Advice::RemovalsHeld:
      return v1::ADVICE_REMOVALS_HELD;
    case Advice::ProviderHeld:
      return v1::ADVICE_PROVIDER_HELD;
  }
  return v1::ADVICE_UNSPECIFIED;
}

v1::NodeStatus to_proto(NodeStatus status) {
  switch (status) {
    case NodeStatus::Ready:
      return v1::NODE_STATUS_READY;
    case NodeStatus::Draining:
      return v1::NODE_STATUS_DRAINING;
    case NodeStatus::NotReady:
      return v1::NODE_STATUS_NOT_READY;
  }
  return v1::NODE_STATUS_UNSPECIFIED;
}

// Fills the oneof of a ClusterEvent, one function an alternative.
struct BodyWriter {
  v1::ClusterEvent* out;

  void operator()(const event::Delta& delta) const {
    auto* to = out->mutable_delta();
    for (const LeftMember& member : delta.left) {
      auto* left = to->add_left();
      left->set_id(member.id.str());
      left->set_incarnation(member.incarnation);
    }
    for (const Member& member : delta.joined) rollcall::to_proto(member, to->add_joined());
    for (const Member& member : delta.changed) rollcall::to_proto(member, to->add_changed());
    to->set_invalidates_hash(delta.invalidates_hash);
    to->set_provider_id(delta.provider_id.str());
    to->set_source_age_ms(static_cast<std::uint32_t>(std::clamp<std::int64_t>(
        to_ms(delta.source_age), 0, std::numeric_limits<std::uint32_t>::max())));
  }
  void operator()(const event::Reset& reset) const {
    auto* to = out->mutable_reset();
    to->set_invalidates_hash(reset.invalidates_hash);
    to->set_provider_id(reset.provider_id.str());
  }
  void operator()(const event::RemoteTopology& remote) const {
    auto* to = out->mutable_remote_topology();
    to->set_kind(to_proto(remote.kind));
    rollcall::to_proto(remote.node, to->mutable_node());
    to->set_provider_id(remote.provider_id.str());
  }
  void operator()(const event::ProviderChanged& changed) const {
    auto* to = out->mutable_provider_changed();
    to->set_from_provider_id(changed.from.str());
    to->set_to_provider_id(changed.to.str());
    to->set_reason(to_proto(changed.reason));
  }
  void operator()(const event::StreamTerminated& terminated) const {
    auto* to = out->mutable_stream_terminated();
    to->set_provider_id(terminated.provider_id.str());
    to->set_ended(terminated.ended);
    if (!terminated.ended) to->set_code(std::string(to_string(terminated.code)));
  }
  void operator()(const event::AvailabilityChanged& changed) const {
    auto* to = out->mutable_availability_changed();
    to->set_availability(rollcall::to_proto(changed.availability));
    to->set_reason(changed.reason);
    to->set_placement_paused(changed.placement_paused);
    to->set_stale(changed.stale);
  }
  void operator()(const event::HealthWarning& warning) const {
    auto* to = out->mutable_health_warning();
    to->set_provider_id(warning.provider_id.str());
    to->set_health(rollcall::to_proto(warning.health));
    to->set_advice(to_proto(warning.advice));
  }
  void operator()(const event::LeaseUpdated& updated) const {
    auto* to = out->mutable_lease_updated();
    to->set_tick(updated.tick);
    for (const Lease& lease : updated.leases) rollcall::to_proto(lease, to->add_leases());
  }
};

v1::ClusterEvent* add_position(v1::WatchBatch& batch, const TopologySnapshot& snapshot) {
  v1::ClusterEvent* event = batch.add_events();
  event->set_seq_no(snapshot.seq_no.value());
  event->set_epoch(snapshot.epoch.value());
  event->set_snapshot_hash(snapshot.hash());
  event->set_observed_at_unix_ms(to_unix_ms(snapshot.observed_at));
  return event;
}

// A chunk without members and leases. What it says of the topology is in every chunk; a reader
// takes it from the last one, which has the age too.
v1::SnapshotChunk* add_chunk(v1::WatchBatch& batch, const TopologySnapshot& snapshot,
                             std::uint32_t index) {
  v1::SnapshotChunk* chunk = add_position(batch, snapshot)->mutable_snapshot();
  chunk->set_chunk_index(index);
  chunk->set_hash_version(kHashVersion);
  chunk->set_total_members(static_cast<std::uint32_t>(snapshot.members.size()));
  chunk->set_availability(rollcall::to_proto(snapshot.availability));
  chunk->set_stale(snapshot.stale);
  chunk->set_draining(snapshot.draining);
  chunk->set_provider_id(snapshot.active.str());
  if (!snapshot.active.empty()) chunk->set_health(rollcall::to_proto(snapshot.active_health));
  chunk->set_lease_tick(snapshot.lease_tick);
  return chunk;
}

// Cuts members and leases into chunks; each is encoded when the next entry would not fit.
class ChunkWriter {
 public:
  ChunkWriter(const TopologySnapshot& snapshot, std::size_t max_bytes)
      : snapshot_(snapshot), room_(max_bytes - kChunkOverhead) {
    begin();
  }

  void add(const Member& member) {
    v1::Node* node = chunk_->add_members();
    to_proto(member, node);
    if (!fits(node->ByteSizeLong())) {
      chunk_->mutable_members()->RemoveLast();
      cut();
      to_proto(member, chunk_->add_members());
    }
  }
  void add(const Lease& lease) {
    v1::Lease* to = chunk_->add_leases();
    to_proto(lease, to);
    if (!fits(to->ByteSizeLong())) {
      chunk_->mutable_leases()->RemoveLast();
      cut();
      to_proto(lease, chunk_->add_leases());
    }
  }
  std::vector<std::string> finish() {
    if (used_ != 0) cut();
    return std::move(chunks_);
  }

 private:
  void begin() {
    batch_.Clear();
    chunk_ = add_chunk(batch_, snapshot_, static_cast<std::uint32_t>(chunks_.size()));
  }
  bool fits(std::size_t entry) {
    last_entry_ = entry + kEntryOverhead;
    if (used_ != 0 && used_ + last_entry_ > room_) return false;
    used_ += last_entry_;
    return true;
  }
  void cut() {
    chunks_.push_back(write(batch_));
    begin();
    used_ = last_entry_;  // of the entry that comes first in the new chunk
  }

  const TopologySnapshot& snapshot_;
  const std::size_t room_;
  v1::WatchBatch batch_;
  v1::SnapshotChunk* chunk_ = nullptr;
  std::size_t used_ = 0;
  std::size_t last_entry_ = 0;
  std::vector<std::string> chunks_;
};

}  // namespace

v1::Availability to_proto(Availability availability) {
  switch (availability) {
    case Availability::Available:
      return v1::AVAILABILITY_AVAILABLE;
    case Availability::Empty:
      return v1::AVAILABILITY_EMPTY;
    case Availability::Unavailable:
      return v1::AVAILABILITY_UNAVAILABLE;
    case Availability::Draining:
      return v1::AVAILABILITY_DRAINING;
  }
  return v1::AVAILABILITY_UNSPECIFIED;
}

v1::Health to_proto(HealthState health) {
  switch (health) {
    case HealthState::Healthy:
      return v1::HEALTH_HEALTHY;
    case HealthState::Degraded:
      return v1::HEALTH_DEGRADED;
    case HealthState::Unreachable:
      return v1::HEALTH_UNREACHABLE;
  }
  return v1::HEALTH_UNSPECIFIED;
}

void to_proto(const Member& member, v1::Node* out) {
  const ClusterNode& node = *member.node;
  out->set_id(node.id.str());
  out->set_host(node.host);
  out->set_port(node.port);
  out->set_zone(node.zone);
  for (const auto& [key, value] : node.labels) (*out->mutable_labels())[key] = value;
  out->set_weight(node.weight);
  out->set_status(to_proto(node.status));
  out->set_incarnation(node.incarnation);
  out->set_blocked(member.blocked);
}

void to_proto(const Lease& lease, v1::Lease* out) {
  out->set_partition(lease.partition);
  out->set_owner(lease.owner.str());
  out->set_lease_id(lease.lease_id);
  out->set_expires_at_unix_ms(lease.expires_at_unix_ms);
  out->set_metadata(lease.metadata);
}

void to_proto(const Event& event, v1::ClusterEvent* out) {
  out->set_seq_no(event.seq_no.value());
  out->set_epoch(event.epoch.value());
  out->set_snapshot_hash(event.snapshot_hash);
  out->set_observed_at_unix_ms(to_unix_ms(event.observed_at));
  std::visit(BodyWriter{out}, event.body);
}

void ProtoEventEncoder::encode(const Event& event, FrameSpace& space) {
  scratch_.Clear();
  to_proto(event, scratch_.add_events());
  const std::size_t size = scratch_.ByteSizeLong();
  write(scratch_, space.reserve(size), size);
}

std::vector<std::string> ProtoSnapshotEncoder::encode_chunks(const TopologySnapshot& snapshot,
                                                             std::size_t max_chunk_bytes) const {
  ChunkWriter chunks(snapshot, max_chunk_bytes);
  snapshot.members.for_each([&](const Member& member) { chunks.add(member); });
  if (snapshot.leases != nullptr) {
    snapshot.leases->for_each([&chunks](const Lease& lease) { chunks.add(lease); });
  }
  return chunks.finish();
}

std::string ProtoSnapshotEncoder::encode_last_chunk(const TopologySnapshot& snapshot,
                                                    std::uint32_t index, Duration age) const {
  v1::WatchBatch batch;
  v1::SnapshotChunk* chunk = add_chunk(batch, snapshot, index);
  chunk->set_last(true);
  chunk->set_age_ms(static_cast<std::uint64_t>(std::max<std::int64_t>(0, to_ms(age))));
  return write(batch);
}

std::string ProtoSnapshotEncoder::encode_bookmark(const TopologySnapshot& snapshot) const {
  v1::WatchBatch batch;
  add_position(batch, snapshot)->mutable_bookmark();
  return write(batch);
}

}  // namespace rollcall
