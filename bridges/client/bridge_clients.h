// What the three consumers say to the sidecar beside watching it (SPEC 6). Each is a thin,
// stateless face of a Channel: make one where it is needed.
//
// Threads: any; calls block the caller at most `deadline` and fail with TIMEOUT then. Failed calls
// are not repeated: whether that is right is for the caller to say.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "bridges/client/channel.h"
#include "bridges/client/replica/limits.h"
#include "bridges/client/replica/topology_replica.h"
#include "core/error.h"
#include "core/event.h"

namespace rollcall::client {

class PlacementClient {
 public:
  PlacementClient(Channel channel, std::string consumer_id,
                  std::chrono::milliseconds deadline = limits::kCallDeadline)
      : channel_(std::move(channel)), consumer_id_(std::move(consumer_id)), deadline_(deadline) {}

  // Everything up to `position` is applied. OUT_OF_ORDER: another epoch, or ahead of the log.
  // A Subscriber with Acknowledge::Automatic does this by itself.
  Result<void> acknowledge(Position position) const;

  // One `lease_updated` for everyone, whose sequence number is the result. `tick` must rise within
  // the epoch, and no delta may be newer than `based_on`: OUT_OF_ORDER. At most 1 KiB a lease.
  // PROVISIONING_UNAVAILABLE while the topology is neither AVAILABLE nor DRAINING.
  Result<SeqNo> publish_ownership(std::uint64_t tick, Position based_on,
                                  const std::vector<Lease>& leases) const;

 private:
  Channel channel_;
  std::string consumer_id_;
  std::chrono::milliseconds deadline_;
};

struct SnapshotRequest {
  std::string cluster;  // empty: whichever the sidecar serves
  // Until every open placement stream that acknowledges, at least one, has applied what the
  // snapshot includes. TIMEOUT names who is missing.
  bool wait_for_placement = false;
  std::chrono::milliseconds wait{0};  // 0: 60 s, which is the most
};

class PartitionClient {
 public:
  explicit PartitionClient(Channel channel,
                           std::chrono::milliseconds deadline = limits::kCallDeadline)
      : channel_(std::move(channel)), deadline_(deadline) {}

  // The newest topology, proved by its hash, with state and leases (R3.2). Stale while the sidecar
  // is UNAVAILABLE; NO_SNAPSHOT if there never was one. The wait is added to the deadline.
  Result<TopologyReplica> latest_snapshot(const SnapshotRequest& request = {}) const;

 private:
  Channel channel_;
  std::chrono::milliseconds deadline_;
};

class RemotingClient {
 public:
  RemotingClient(Channel channel, std::string consumer_id,
                 std::chrono::milliseconds deadline = limits::kCallDeadline)
      : channel_(std::move(channel)), consumer_id_(std::move(consumer_id)), deadline_(deadline) {}

  // The node is blocked for everyone on this sidecar, durably, when this returns (R4.2). An empty
  // incarnation: the one known. The result says whether it is a member now; one that is not will be
  // blocked when it joins.
  Result<bool> report_quarantined(const NodeId& node, const std::string& incarnation = "") const;
  // It is unblocked after the next successful refresh that has it, not before (R4.4).
  Result<bool> report_recovered(const NodeId& node, const std::string& incarnation = "") const;

 private:
  Channel channel_;
  std::string consumer_id_;
  std::chrono::milliseconds deadline_;
};

}  // namespace rollcall::client
