// Small checks on text from outside: is it UTF-8, and how is it shown to a person without letting
// it break a terminal, a log line or a protobuf string field. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace rollcall {

// RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_valid_utf8(std::string_view text);

// Offset of the first byte that breaks RFC 3629; text.size() if none does.
std::size_t first_invalid_utf8(std::string_view text);

// Whether a control character begins at `at`: C0 (below U+0020), U+007F, or C1 (U+0080 to U+009F,
// of two bytes: U+009B begins a sequence for a terminal as ESC [ does).
bool is_control_at(std::string_view text, std::size_t at);
bool has_control_characters(std::string_view text);

// Stands in a message for a value that may be a secret in the wrong place.
inline constexpr std::string_view kHiddenValue = "(hidden)";

// "scheme://user:password@host", or the same without a scheme: no place for a secret, because it is
// shown to everyone.
bool holds_credentials(std::string_view endpoint);

// The longest prefix of at most `max_bytes` that does not cut a character in two.
std::string_view utf8_prefix(std::string_view text, std::size_t max_bytes);

// For messages: control characters and invalid bytes as \xNN, cut to `max_bytes` with "..." at the
// end when something was left out. Always valid UTF-8 of at most `max_bytes` (which must be ≥ 8).
std::string printable(std::string_view text, std::size_t max_bytes);

}  // namespace rollcall
