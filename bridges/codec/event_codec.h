// The hub's encoders, in protobuf: events, snapshots and bookmarks as one-element WatchBatches.
//
// Maps are written in the order of their keys, so that the same event is the same bytes in every
// run (the simulator compares them).
//
// Threads: ProtoEventEncoder belongs to the writer; ProtoSnapshotEncoder is stateless.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "core/event.h"
#include "core/node.h"
#include "core/snapshot.h"
#include "provisioning/hub/encoders.h"
#include "rollcall/v1/events.pb.h"

namespace rollcall {

// `out` must be empty (Clear()ed); its memory is used again.
void to_proto(const Member& member, v1::Node* out);
void to_proto(const Lease& lease, v1::Lease* out);
void to_proto(const Event& event, v1::ClusterEvent* out);
v1::Availability to_proto(Availability availability);
v1::Health to_proto(HealthState health);

class ProtoEventEncoder final : public EventEncoder {
 public:
  void encode(const Event& event, FrameSpace& space) override;

 private:
  v1::WatchBatch scratch_;
};

class ProtoSnapshotEncoder final : public SnapshotEncoder {
 public:
  std::vector<std::string> encode_chunks(const TopologySnapshot& snapshot,
                                         std::size_t max_chunk_bytes) const override;
  std::string encode_last_chunk(const TopologySnapshot& snapshot, std::uint32_t index,
                                Duration age) const override;
  std::string encode_bookmark(const TopologySnapshot& snapshot) const override;
};

}  // namespace rollcall
