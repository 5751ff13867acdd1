// The kind `http`: a list in the Prometheus http_sd format, at a URL (http_sd_stream.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/provider.h"

namespace rollcall {

// `seed` of what is random (when the next question is asked); none: the kernel's.
std::unique_ptr<ProviderFactory> make_http_factory(std::optional<std::uint64_t> seed = {});

}  // namespace rollcall
