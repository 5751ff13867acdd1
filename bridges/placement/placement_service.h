// PlacementService: the gRPC face of placement (R3.1, R3.3).
//
// Threads: gRPC's. The hub, the commands and the clock outlive it; it outlives the server.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

#include "bridges/stream/stream_reactor.h"
#include "core/time.h"
#include "provisioning/hub/commands.h"
#include "provisioning/hub/watch_hub.h"
#include "rollcall/v1/bridges.grpc.pb.h"

namespace rollcall {

// Watch is raw: batches are references to the log's bytes and never become messages here.
using PlacementServiceBase = v1::PlacementBridge::WithRawCallbackMethod_Watch<
    v1::PlacementBridge::WithCallbackMethod_Acknowledge<
        v1::PlacementBridge::WithCallbackMethod_PublishOwnership<v1::PlacementBridge::Service>>>;

class PlacementService final : public PlacementServiceBase {
 public:
  PlacementService(WatchHub& hub, ConsumerCommands& commands, const Clock& clock)
      : hub_(hub), commands_(commands), clock_(clock) {}

  ByteStream* Watch(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* Acknowledge(grpc::CallbackServerContext* context,
                                        const v1::AcknowledgeRequest* request,
                                        v1::AcknowledgeResponse* response) override;
  grpc::ServerUnaryReactor* PublishOwnership(grpc::CallbackServerContext* context,
                                             const v1::PublishOwnershipRequest* request,
                                             v1::PublishOwnershipResponse* response) override;

 private:
  WatchHub& hub_;
  ConsumerCommands& commands_;
  const Clock& clock_;
};

}  // namespace rollcall
