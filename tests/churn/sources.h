// The real backends whose members never rest (churn.h).
#pragma once

#include <memory>

#include "tests/backends/etcd_server.h"
#include "tests/backends/kube_apiserver.h"
#include "tests/churn/churn.h"

namespace rollcall::test {

// A key a member; the changes of a write are one transaction.
Outcome<std::unique_ptr<ChurnSource>> churn_in_etcd();
// An endpoint a member, a hundred to an EndpointSlice, as its controller makes them; the changes of
// a write replace one slice.
Outcome<std::unique_ptr<ChurnSource>> churn_in_kubernetes();

}  // namespace rollcall::test
