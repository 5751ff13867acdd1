// ProviderSpec: a provider as the registry accepted it, with what the service knows of its kind.
#pragma once

#include <optional>
#include <string>

#include "core/descriptor.h"
#include "core/time.h"

namespace rollcall {

struct ProviderSpec {
  ProviderDescriptor descriptor;
  Duration attest_interval{std::chrono::seconds(12)};  // longer ones stretch the limits (SPEC 3)
  std::optional<std::string> missing_capability;       // R1.3: kept, never activated
  bool accepted_unreachable = false;                   // --allow-unreachable
};

}  // namespace rollcall
