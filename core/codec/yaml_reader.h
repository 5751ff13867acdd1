// The strict, bounded YAML reader, into the same tree as JSON, so that one ObjectReader serves
// both.
//
// Refused, each with its line: repeated keys, keys that are not scalars, anchors and aliases (no
// billion laughs), tags, directives, several documents, invalid UTF-8, depth and size above the
// limits. Plain scalars follow YAML 1.2's core schema: true/false, null/~/empty, decimal, 0x and 0o
// integers, floats; `no`, `on`, `1:30` and `1_000` are strings. .inf and .nan are refused.
//
// Pure functions, any thread. Throws nothing.
#pragma once

#include <string_view>

#include "core/codec/json_value.h"

namespace rollcall {

// An empty document (or only comments) is null.
Result<JsonValue> parse_yaml(std::string_view text, const ReadLimits& read_limits = {});

// For files that may be either: what begins with { or [ is JSON and read as nothing else (so that a
// truncated JSON file is never taken for lenient YAML); everything else is YAML.
Result<JsonValue> parse_document(std::string_view text, const ReadLimits& read_limits = {});

}  // namespace rollcall
