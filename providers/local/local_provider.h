// The kind `local`: the node processes of this host that put themselves into the process registry
// (providers/local/registry).
#pragma once

#include <memory>

#include "core/provider.h"

namespace rollcall {

std::unique_ptr<ProviderFactory> make_local_factory();

}  // namespace rollcall
