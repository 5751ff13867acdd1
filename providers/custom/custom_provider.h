// The kind `custom`: an out-of-process plug-in that serves rollcall.v1.ClusterProviderPlugin
// (proto/rollcall/v1/plugin.proto) on a Unix socket (custom_stream.h).
#pragma once

#include <memory>

#include "core/provider.h"

namespace rollcall {

std::unique_ptr<ProviderFactory> make_custom_factory();

}  // namespace rollcall
