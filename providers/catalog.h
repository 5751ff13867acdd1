// The built-in kinds of providers. A new kind is one folder and one line in catalog.cpp; there is
// no static registration (DESIGN style rule 4).
#pragma once

#include <memory>

#include "core/provider.h"

namespace rollcall {

// One per process and state directory (in_memory_provider.h says why). Immutable, any thread.
std::unique_ptr<const ProviderCatalog> builtin_catalog();

}  // namespace rollcall
