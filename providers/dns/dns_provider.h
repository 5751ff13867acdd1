// The kind `dns`: the SRV, A or AAAA records of a name (dns_stream.h, dns_lookup.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/provider.h"

namespace rollcall {

// `seed` of what is random (when the next question is asked); none: the kernel's.
std::unique_ptr<ProviderFactory> make_dns_factory(std::optional<std::uint64_t> seed = {});

}  // namespace rollcall
