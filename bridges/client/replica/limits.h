// The client library's own bounds, each with its reason; what both sides share is in core/limits.h.
#pragma once

#include <chrono>
#include <cstddef>

namespace rollcall::client::limits {

using std::chrono::milliseconds;
using std::chrono::seconds;

// SPEC 5: after this many mismatches within an epoch the copy is kept without being proved, because
// the fault is then not in the copy, and snapshots asked for ever would only add load.
inline constexpr int kMaxMismatches = 2;

// --- the stream ---
// A live stream says something every 5 s (a bookmark when idle): four of them missed is a stall
// that neither TCP nor HTTP/2 noticed.
inline constexpr seconds kSilence{20};
inline constexpr seconds kKeepaliveEvery{30};
inline constexpr seconds kKeepaliveTimeout{10};
inline constexpr std::size_t kMaxReceiveBytes = 4u << 20;  // chunks and events are at most 1 MiB
inline constexpr milliseconds kBackoffInitial{100};
inline constexpr milliseconds kBackoffMax{10'000};
inline constexpr double kBackoffFactor = 2.0;
inline constexpr double kBackoffJitter = 0.2;  // ±: a restarted sidecar is not hit by all at once
inline constexpr seconds kStableAfter{10};  // a stream that lived this long starts backoff afresh

// --- calls ---
inline constexpr seconds kCallDeadline{15};  // a registration may check connectivity for 5 s
inline constexpr seconds kAcknowledgeDeadline{5};

}  // namespace rollcall::client::limits
