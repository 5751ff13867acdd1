// `rollcall providers …`: what is wanted of each provider, what is observed of it, and plans.
//
// Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>

#include "core/error.h"
#include "rollcall/v1/admin.pb.h"

namespace rollcall::cli {

bool enabled(const v1::ProviderState& state);
// One or two words and why: "HEALTHY", "held: …", "disabled: …", "not watched (cold standby)".
std::string condition_text(const v1::ProviderState& state);

std::string providers_text(const v1::ListProvidersResponse& providers);
Result<std::string> providers_json(const v1::ListProvidersResponse& providers);
std::string provider_text(const v1::ProviderState& state);
Result<std::string> provider_json(const v1::ProviderState& state);
std::string kinds_text(const v1::ListKindsResponse& kinds);
Result<std::string> kinds_json(const v1::ListKindsResponse& kinds);

// What would be done (`dry_run`) or was done, one line a provider.
std::string plan_text(const v1::ApplyProvidersResponse& response, bool dry_run);
Result<std::string> plan_json(const v1::ApplyProvidersResponse& response, bool dry_run);

// Of add, update, remove, enable and disable. `did`: "registered".
std::string write_text(const v1::ProviderResponse& response, std::string_view id,
                       std::string_view did, bool dry_run);
Result<std::string> write_json(const v1::ProviderResponse& response, std::string_view id,
                               std::string_view did, bool dry_run);

}  // namespace rollcall::cli
