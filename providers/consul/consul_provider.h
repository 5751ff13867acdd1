// The kind `consul`: the instances of one service, from the agents' HTTP API (consul_stream.h).
#pragma once

#include <memory>

#include "core/provider.h"

namespace rollcall {

std::unique_ptr<ProviderFactory> make_consul_factory();

}  // namespace rollcall
