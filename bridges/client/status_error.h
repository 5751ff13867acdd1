// From the status of a failed call to a ProvisioningError: the code and problems come from the
// typed detail that rollcalld adds (proto/rollcall/v1/error.proto). A status without it (nobody
// answers, a proxy in between) is given the code that says the same.
//
// Pure functions, any thread.
#pragma once

#include <string_view>

#include "core/error.h"

namespace grpc {
class Status;
}

namespace rollcall::client {

// `status` must not be OK. `server` is named when nobody answered.
ProvisioningError error_of(const grpc::Status& status, std::string_view server);

// Whether an error of this library says that the sidecar was not reached or did not answer in time,
// and not that it answered with an error.
bool is_no_answer(const ProvisioningError& error);

}  // namespace rollcall::client
