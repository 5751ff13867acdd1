// Points in time as ISO 8601 in UTC with milliseconds: "2026-11-21T15:08:49.123Z".
//
// Pure functions, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/time.h"

namespace rollcall {

// For years 0 to 9999.
std::string utc_text(WallTime time);
// That form alone, and only days that exist.
std::optional<WallTime> parse_utc(std::string_view text);

}  // namespace rollcall
