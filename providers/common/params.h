// Reading watch_params whose form validate_params() has checked, with the defaults that the kind's
// KindInfo documents: one table drives checking, the reference and what the code uses.
// Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/provider.h"

namespace rollcall {

// The value, or the documented default.
std::string param_text(const KindInfo& info, const ProviderDescriptor& d, std::string_view name);
// As a number; 0 when it isn't one (validate_params() has said so).
std::int64_t param_integer(const KindInfo& info, const ProviderDescriptor& d,
                           std::string_view name);
bool param_bool(const KindInfo& info, const ProviderDescriptor& d, std::string_view name);

// A problem when the number is outside [min, max]; nothing when it is no number at all.
void check_range(const KindInfo& info, const ProviderDescriptor& d, std::string_view field,
                 std::string_view name, std::int64_t min, std::int64_t max,
                 std::vector<Problem>& problems);

// "<field>.watch_params.<name>", "<field>.endpoints".
std::string param_path(std::string_view field, std::string_view name);
std::string field_path(std::string_view field, std::string_view name);

}  // namespace rollcall
