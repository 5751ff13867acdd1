// The strict, bounded JSON reader (DESIGN: "nlohmann-json behind one strict reader"). It refuses
// what libraries let through: duplicate keys, invalid UTF-8, deep nesting, oversized documents,
// trailing text, numbers that overflow. Memory is bounded by max_bytes and max_values; no
// recursion.
//
// Pure functions, any thread. Throws nothing.
#pragma once

#include <string_view>

#include "core/codec/json_value.h"

namespace rollcall {

// The whole text is one JSON document (RFC 8259; a UTF-8 byte order mark before it is skipped).
// Errors carry limits.code, "line L, column C" in the message and, as a Problem, in `field`.
Result<JsonValue> parse_json(std::string_view text, const ReadLimits& read_limits = {});

// The error all readers answer with.
tl::unexpected<ProvisioningError> fail_at(ErrorCode code, SourcePosition position,
                                          std::string_view expected, std::string_view found);

}  // namespace rollcall
