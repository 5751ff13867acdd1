// The kind `etcd`: the keys below a prefix, one member a key (etcd_stream.h).
#pragma once

#include <memory>

#include "core/provider.h"

namespace rollcall {

std::unique_ptr<ProviderFactory> make_etcd_factory();

}  // namespace rollcall
