#include "bridges/client/replica/snapshot_assembly.h"

#include <utility>

#include "bridges/client/replica/wire.h"
#include "core/limits.h"

namespace rollcall::client {

void SnapshotAssembly::discard() {
  unfinished_.reset();
  members_ = {};
  next_chunk_ = 0;
}

SnapshotAssembly::Progress SnapshotAssembly::broken(std::string problem) {
  discard();
  problem_ = std::move(problem);
  return Progress::Broken;
}

bool SnapshotAssembly::belongs(const v1::ClusterEvent& event) const {
  return event.epoch() == unfinished_->position.epoch.value() &&
         event.seq_no() == unfinished_->position.seq_no.value() &&
         event.snapshot_hash() == unfinished_->hash;
}

SnapshotAssembly::Progress SnapshotAssembly::add(const v1::ClusterEvent& event) {
  const v1::SnapshotChunk& chunk = event.snapshot();
  if (chunk.chunk_index() == 0) {
    discard();
    unfinished_.emplace();
    unfinished_->position = {Epoch(event.epoch()), SeqNo(event.seq_no())};
    unfinished_->hash = event.snapshot_hash();
  } else if (!unfinished_ || chunk.chunk_index() != next_chunk_ || !belongs(event)) {
    return broken("chunk " + std::to_string(chunk.chunk_index()) + " came where chunk " +
                  std::to_string(next_chunk_) + " of its snapshot was due");
  }
  ++next_chunk_;
  const auto count = static_cast<std::size_t>(chunk.members_size());
  if (members_.size() + count > rollcall::limits::kMaxMembers) {
    return broken("a snapshot of more than " + std::to_string(rollcall::limits::kMaxMembers) +
                  " members");
  }
  for (const auto& node : chunk.members()) {
    if (auto member = member_from_wire(node)) {
      members_.push_back(*std::move(member));
    } else {
      ++unfinished_->unusable_members;
    }
  }
  for (const auto& lease : chunk.leases()) {
    if (unfinished_->leases.size() >= rollcall::limits::kMaxLeases) {
      return broken("a snapshot of more leases than " +
                    std::to_string(rollcall::limits::kMaxLeases));
    }
    unfinished_->leases.insert_or_assign(lease.partition(), lease_from_wire(lease));
  }
  return chunk.last() ? finish(chunk) : Progress::Incomplete;
}

SnapshotAssembly::Progress SnapshotAssembly::finish(const v1::SnapshotChunk& chunk) {
  AssembledSnapshot& snapshot = *unfinished_;
  const std::size_t sent = members_.size() + snapshot.unusable_members;
  snapshot.members = MemberMap::from(std::move(members_));
  if (sent != chunk.total_members() ||
      snapshot.members.size() + snapshot.unusable_members != chunk.total_members()) {
    return broken("a snapshot of " + std::to_string(chunk.total_members()) + " members that has " +
                  std::to_string(snapshot.members.size()));
  }
  snapshot.hash_version = chunk.hash_version();
  snapshot.lease_tick = chunk.lease_tick();
  snapshot.availability = availability_from_wire(chunk.availability());
  snapshot.stale = chunk.stale();
  snapshot.age_ms = chunk.age_ms();
  snapshot.draining = chunk.draining();
  snapshot.provider_id = ProviderId(chunk.provider_id());
  snapshot.health = health_from_wire(chunk.health());
  return Progress::Complete;
}

AssembledSnapshot SnapshotAssembly::take() {
  AssembledSnapshot result = *std::exchange(unfinished_, std::nullopt);
  discard();
  return result;
}

}  // namespace rollcall::client
