// What etcd's refusals mean: gRPC statuses, and the reasons with which it cancels a watch.
// Pure functions, any thread.
#pragma once

#include <grpcpp/support/status.h>

#include <string>
#include <string_view>

#include "core/error.h"

namespace rollcall {

// Of a status that is not OK. Which failure looks like which code:
//   UNAVAILABLE: refused, reset, no leader, no quorum        BACKEND_UNAVAILABLE
//   DEADLINE_EXCEEDED                                        TIMEOUT
//   CANCELLED by `cancelled`                                 SHUTTING_DOWN
//   UNAUTHENTICATED, wrong user or password, no user at all  AUTH_FAILED
//   PERMISSION_DENIED                                        PERMISSION_DENIED
//   UNIMPLEMENTED (no etcd v3)                               CAPABILITY_MISSING
//   RESOURCE_EXHAUSTED by our own limit of a message         LIMIT_EXCEEDED
//   not gRPC, INVALID_ARGUMENT otherwise                     MALFORMED_RESPONSE
//   anything else                                            BACKEND_UNAVAILABLE
ProvisioningError etcd_error(const grpc::Status& status, bool cancelled);

// Of a watch's cancel_reason, which carries no code.
ProvisioningError etcd_watch_error(std::string_view reason);

// The token is no longer good, or one is wanted now: signing in again may help.
bool etcd_wants_sign_in(const grpc::Status& status);
bool etcd_auth_is_off(const grpc::Status& status);        // of Authenticate
bool etcd_compacted(const grpc::Status& status);          // of Range at a revision
bool etcd_message_too_large(const grpc::Status& status);  // for our own limit

}  // namespace rollcall
