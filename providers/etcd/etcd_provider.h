// The kind `etcd`: the keys below a prefix, one member a key (etcd_stream.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/provider.h"

namespace rollcall {

// `seed`: of the endpoint that is asked first and of pauses; for tests. Without it they differ from
// process to process.
std::unique_ptr<ProviderFactory> make_etcd_factory(
    std::optional<std::uint64_t> seed = std::nullopt);

}  // namespace rollcall
