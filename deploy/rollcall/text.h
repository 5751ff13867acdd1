// Small texts: how the command shows and reads durations, times, positions and hashes.
//
// Pure functions, any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "bridges/client/replica/notice.h"
#include "core/error.h"

namespace rollcall::cli {

// Two digits that matter: "340 ms", "4.2 s", "3 min 5 s", "2 h 10 min", "5 d 3 h".
std::string duration_text(std::chrono::milliseconds duration);
// "2026-11-20T05:09:02.123Z" (RFC 3339); "never" for 0.
std::string time_text(std::int64_t unix_ms);
// "0x00c0ffee00c0ffee"
std::string hash_text(std::uint64_t hash);
// "4294967297:1099511627777", as --after takes it.
std::string position_text(client::Position position);
// "10.0.0.1:80", "[::1]:80"
std::string endpoint_text(std::string_view host, std::uint32_t port);
// "1 member", "3 members"
std::string count_text(std::uint64_t count, std::string_view noun);
std::string base64(std::string_view bytes);
// From outside, for a terminal: no control characters, at most `max_bytes`.
std::string shown(std::string_view text, std::size_t max_bytes = 256);

// "90s", "10m", "2h", "1500ms", "1d"; INVALID_CONFIG otherwise. Above 0.
Result<std::chrono::milliseconds> parse_duration(std::string_view text);
// "EPOCH:SEQ", both decimal.
Result<client::Position> parse_position(std::string_view text);
// "HOST:PORT", "[V6]:PORT"; into `host` without brackets.
Result<std::pair<std::string, std::uint16_t>> parse_endpoint(std::string_view text);

}  // namespace rollcall::cli
