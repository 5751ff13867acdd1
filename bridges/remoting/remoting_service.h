// RemotingService: the gRPC face of remoting (R4.1, R4.2, R4.4).
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

using RemotingServiceBase = v1::RemotingBridge::WithRawCallbackMethod_Watch<
    v1::RemotingBridge::WithCallbackMethod_ReportQuarantined<
        v1::RemotingBridge::WithCallbackMethod_ReportRecovered<v1::RemotingBridge::Service>>>;

class RemotingService final : public RemotingServiceBase {
 public:
  RemotingService(WatchHub& hub, ConsumerCommands& commands, const Clock& clock)
      : hub_(hub), commands_(commands), clock_(clock) {}

  ByteStream* Watch(grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) override;
  grpc::ServerUnaryReactor* ReportQuarantined(grpc::CallbackServerContext* context,
                                              const v1::ReportRequest* request,
                                              v1::ReportResponse* response) override;
  grpc::ServerUnaryReactor* ReportRecovered(grpc::CallbackServerContext* context,
                                            const v1::ReportRequest* request,
                                            v1::ReportResponse* response) override;

 private:
  WatchHub& hub_;
  ConsumerCommands& commands_;
  const Clock& clock_;
};

}  // namespace rollcall
