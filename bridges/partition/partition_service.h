// PartitionService: the gRPC face of the partition manager (R3.2).
//
// Threads: gRPC's. The hub and the clock outlive it; it outlives the server.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

#include "bridges/stream/stream_reactor.h"
#include "core/time.h"
#include "provisioning/hub/watch_hub.h"
#include "rollcall/v1/bridges.grpc.pb.h"

namespace rollcall {

using PartitionServiceBase = v1::PartitionBridge::WithRawCallbackMethod_Watch<
    v1::PartitionBridge::WithRawCallbackMethod_GetLatestSnapshot<v1::PartitionBridge::Service>>;

class PartitionService final : public PartitionServiceBase {
 public:
  PartitionService(WatchHub& hub, const Clock& clock) : hub_(hub), clock_(clock) {}

  ByteStream* Watch(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) override;
  ByteStream* GetLatestSnapshot(grpc::CallbackServerContext* context,
                                const grpc::ByteBuffer* request) override;

 private:
  WatchHub& hub_;
  const Clock& clock_;
};

}  // namespace rollcall
