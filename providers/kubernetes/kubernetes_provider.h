// The kind `kubernetes`: the endpoints of one service, from the EndpointSlices of an API server
// (kubernetes_stream.h).
#pragma once

#include <memory>

#include "core/provider.h"

namespace rollcall {

std::unique_ptr<ProviderFactory> make_kubernetes_factory();

}  // namespace rollcall
