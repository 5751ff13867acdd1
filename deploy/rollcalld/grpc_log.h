// What gRPC itself has to say (a handshake that failed, an address that can't be bound) becomes
// lines of the structured log, event `grpc`; else it would stand between them on standard error,
// unbounded and in a form of its own. Its errors are warnings here, since what fails for Rollcall
// is told by whoever asked, with its code. Traces that somebody asks gRPC for (GRPC_VERBOSITY,
// GRPC_TRACE) stay beside the log: they show tokens and passwords, which the log never does.
#pragma once

#include "provisioning/telemetry/logger.h"

namespace rollcall {

// From construction to destruction; afterwards gRPC's threads, which outlive it, are not heard.
// One at a time; gRPC has one place for it.
class GrpcLog {
 public:
  explicit GrpcLog(Logger& logger);
  ~GrpcLog();
  GrpcLog(const GrpcLog&) = delete;
  GrpcLog& operator=(const GrpcLog&) = delete;
};

}  // namespace rollcall
