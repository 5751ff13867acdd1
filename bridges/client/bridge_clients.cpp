#include "bridges/client/bridge_clients.h"

#include <algorithm>
#include <utility>

#include "bridges/client/calls.h"
#include "bridges/client/replica/wire.h"
#include "core/limits.h"
#include "rollcall/v1/bridges.grpc.pb.h"

namespace rollcall::client {
namespace {

v1::ReportRequest report_of(const std::string& consumer_id, const NodeId& node,
                            const std::string& incarnation) {
  v1::ReportRequest request;
  request.set_consumer_id(consumer_id);
  request.set_node_id(node.str());
  request.set_incarnation(incarnation);
  return request;
}

}  // namespace

Result<void> PlacementClient::acknowledge(Position position) const {
  auto stub = v1::PlacementBridge::NewStub(channel_.grpc_channel());
  v1::AcknowledgeRequest request;
  request.set_consumer_id(consumer_id_);
  request.set_epoch(position.epoch.value());
  request.set_seq_no(position.seq_no.value());
  auto response =
      call(*stub, &v1::PlacementBridge::Stub::Acknowledge, request, channel_, deadline_);
  if (!response) return tl::unexpected(std::move(response.error()));
  return {};
}

Result<SeqNo> PlacementClient::publish_ownership(std::uint64_t tick, Position based_on,
                                                 const std::vector<Lease>& leases) const {
  auto stub = v1::PlacementBridge::NewStub(channel_.grpc_channel());
  v1::PublishOwnershipRequest request;
  request.set_consumer_id(consumer_id_);
  request.set_epoch(based_on.epoch.value());
  request.set_tick(tick);
  request.set_based_on_seq(based_on.seq_no.value());
  for (const Lease& lease : leases) *request.add_leases() = lease_to_wire(lease);
  const auto response =
      call(*stub, &v1::PlacementBridge::Stub::PublishOwnership, request, channel_, deadline_);
  if (!response) return tl::unexpected(response.error());
  return SeqNo(response->seq_no());
}

Result<TopologyReplica> PartitionClient::latest_snapshot(const SnapshotRequest& request) const {
  auto stub = v1::PartitionBridge::NewStub(channel_.grpc_channel());
  v1::GetLatestSnapshotRequest wire;
  wire.set_cluster(request.cluster);
  wire.set_wait_for_placement(request.wait_for_placement);
  const std::chrono::milliseconds most = rollcall::limits::kMaxPlacementWait;
  const auto wait =
      request.wait <= std::chrono::milliseconds(0) ? most : std::min(request.wait, most);
  wire.set_wait_ms(static_cast<std::uint32_t>(wait.count()));
  grpc::ClientContext context;
  // The sidecar's own answer, which names who is missing, should come before ours.
  set_deadline(context, request.wait_for_placement ? wait + deadline_ : deadline_);
  const auto reader = stub->GetLatestSnapshot(&context, wire);
  return read_snapshot(*reader, context, channel_);
}

Result<bool> RemotingClient::report_quarantined(const NodeId& node,
                                                const std::string& incarnation) const {
  auto stub = v1::RemotingBridge::NewStub(channel_.grpc_channel());
  const auto response = call(*stub, &v1::RemotingBridge::Stub::ReportQuarantined,
                             report_of(consumer_id_, node, incarnation), channel_, deadline_);
  if (!response) return tl::unexpected(response.error());
  return response->member();
}

Result<bool> RemotingClient::report_recovered(const NodeId& node,
                                              const std::string& incarnation) const {
  auto stub = v1::RemotingBridge::NewStub(channel_.grpc_channel());
  const auto response = call(*stub, &v1::RemotingBridge::Stub::ReportRecovered,
                             report_of(consumer_id_, node, incarnation), channel_, deadline_);
  if (!response) return tl::unexpected(response.error());
  return response->member();
}

}  // namespace rollcall::client
