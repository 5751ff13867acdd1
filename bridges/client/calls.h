// How the clients make their calls: a deadline each, and errors as values. Internal to the client
// library (it knows gRPC).
//
// Threads: stateless.
#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/sync_stream.h>

#include <chrono>
#include <string>
#include <utility>

#include "bridges/client/channel.h"
#include "bridges/client/replica/topology_replica.h"
#include "bridges/client/status_error.h"
#include "core/error.h"
#include "rollcall/v1/events.pb.h"

namespace rollcall::client {

inline void set_deadline(grpc::ClientContext& context, std::chrono::milliseconds deadline) {
  context.set_deadline(std::chrono::system_clock::now() + deadline);
}

template <class Stub, class Request, class Response>
Result<Response> call(Stub& stub,
                      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                      const Request& request, const Channel& channel,
                      std::chrono::milliseconds deadline) {
  grpc::ClientContext context;
  set_deadline(context, deadline);
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) return tl::unexpected(error_of(status, channel.address()));
  return response;
}

// Reads the chunks of one snapshot into a fresh replica, which proves them.
Result<TopologyReplica> read_snapshot(grpc::ClientReader<v1::WatchBatch>& reader,
                                      grpc::ClientContext& context, const Channel& channel);

}  // namespace rollcall::client
