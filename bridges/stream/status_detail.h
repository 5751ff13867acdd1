// From a ProvisioningError to the status of a failed call: SPEC 8's code mapped to one of gRPC's,
// and the typed detail (proto/rollcall/v1/error.proto) in the trailer grpc-status-details-bin.
//
// gRPC drops the whole error when the trailers exceed about 8 kB, so the detail stays below 4 KiB
// (kMaxErrorDetailBytes): as many problems as fit, and how many there were.
//
// Pure functions, any thread.
#pragma once

#include <grpcpp/support/status.h>

#include "core/error.h"
#include "rollcall/v1/error.pb.h"

namespace rollcall {

grpc::StatusCode grpc_code(ErrorCode code);
grpc::Status to_status(const ProvisioningError& error);
// The detail by itself, at most `max_bytes` when encoded.
v1::ErrorDetail to_detail(const ProvisioningError& error, std::size_t max_bytes);

}  // namespace rollcall
