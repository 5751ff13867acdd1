#include "bridges/placement/placement_service.h"

#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "bridges/stream/request.h"
#include "bridges/stream/status_detail.h"
#include "core/limits.h"

namespace rollcall {
namespace {

constexpr std::size_t kMaxPartitionBytes = 256;  // proto/rollcall/v1/events.proto

void check_lease(RequestCheck& check, const v1::Lease& lease, const std::string& field) {
  check.text(field + ".partition", lease.partition(), 1, kMaxPartitionBytes);
  check.text(field + ".owner", lease.owner(), 1, limits::kMaxNodeIdBytes);
  const std::size_t size = lease.ByteSizeLong();
  if (size > limits::kMaxLeaseBytes) {
    check.add(field, std::to_string(size) + " bytes",
              "a lease of at most " + std::to_string(limits::kMaxLeaseBytes) + " bytes");
  }
}

Result<OwnershipUpdate> read(const v1::PublishOwnershipRequest& request) {
  // Before any is looked at: 4 MiB may hold two million empty ones, and this is gRPC's own thread.
  if (static_cast<std::size_t>(request.leases_size()) > limits::kMaxLeases) {
    return fail(ErrorCode::LimitExceeded, "there are too many leases",
                {{"leases", std::to_string(request.leases_size()) + " leases",
                  "at most " + std::to_string(limits::kMaxLeases)}});
  }
  RequestCheck check;
  check.consumer_id(request.consumer_id());
  std::set<std::string_view> partitions;
  std::size_t bytes = 0;
  for (int i = 0; i < request.leases_size(); ++i) {
    const v1::Lease& lease = request.leases(i);
    const std::string field = "leases[" + std::to_string(i) + "]";
    check_lease(check, lease, field);
    bytes += lease.ByteSizeLong();
    if (!partitions.insert(lease.partition()).second) {
      check.add(field + ".partition", lease.partition(), "each partition once");
    }
  }
  if (const auto error = check.error()) return tl::unexpected(*error);
  // One update is one event, and an event has a limit.
  if (bytes > limits::kMaxEventBytes / 2) {
    return fail(ErrorCode::LimitExceeded,
                "the leases are too large for one update; publish them in several ticks",
                {{"leases", std::to_string(bytes) + " bytes",
                  "at most " + std::to_string(limits::kMaxEventBytes / 2) + " bytes"}});
  }
  OwnershipUpdate update{request.consumer_id(),
                         Epoch(request.epoch()),
                         request.tick(),
                         SeqNo(request.based_on_seq()),
                         {}};
  update.leases.reserve(static_cast<std::size_t>(request.leases_size()));
  for (const v1::Lease& lease : request.leases()) {
    update.leases.push_back({lease.partition(), NodeId(lease.owner()), lease.lease_id(),
                             lease.expires_at_unix_ms(), lease.metadata()});
  }
  return update;
}

}  // namespace

ByteStream* PlacementService::Watch(grpc::CallbackServerContext* context,
                                    const grpc::ByteBuffer* request) {
  return watch(hub_, clock_, Bridge::Placement, context, *request);
}

grpc::ServerUnaryReactor* PlacementService::Acknowledge(grpc::CallbackServerContext* context,
                                                        const v1::AcknowledgeRequest* request,
                                                        v1::AcknowledgeResponse*) {
  RequestCheck check;
  check.consumer_id(request->consumer_id());
  if (auto error = check.error()) return finish(context, tl::unexpected(*std::move(error)));
  return finish(context, hub_.acknowledge(request->consumer_id(), Epoch(request->epoch()),
                                          SeqNo(request->seq_no())));
}

grpc::ServerUnaryReactor* PlacementService::PublishOwnership(
    grpc::CallbackServerContext* context, const v1::PublishOwnershipRequest* request,
    v1::PublishOwnershipResponse* response) {
  auto update = read(*request);
  if (!update) return finish(context, tl::unexpected(std::move(update.error())));
  auto* reactor = context->DefaultReactor();
  commands_.publish_ownership(*std::move(update), [reactor, response](Result<SeqNo> result) {
    if (result) response->set_seq_no(result->value());
    reactor->Finish(result ? grpc::Status::OK : to_status(result.error()));
  });
  return reactor;
}

}  // namespace rollcall
