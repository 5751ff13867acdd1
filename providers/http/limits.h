// Bounds of the http provider, each with its reason (DESIGN style rule 6).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace rollcall::limits {

// --- how often it asks ---
inline constexpr std::int64_t kHttpSdRefreshMinMs = 50;         // tests; 20 questions a second
inline constexpr std::int64_t kHttpSdRefreshMaxMs = 3'600'000;  // an hour without a sign of life
// Sidecars that were started together must not go on asking together.
inline constexpr double kHttpSdRefreshJitter = 0.1;
// After a failure the core says when to ask again; this bounds whoever asks sooner.
inline constexpr int kHttpSdBurst = 2;
inline constexpr std::chrono::seconds kHttpSdRefill{1};

// --- how long a question may take ---
inline constexpr std::int64_t kHttpSdTimeoutMinMs = 100;
inline constexpr std::int64_t kHttpSdTimeoutMaxMs = 60'000;
// One round over the endpoints is over before a silent provider becomes Unreachable (15 s), unless
// one question alone may take longer.
inline constexpr std::chrono::seconds kHttpSdRound{14};
// What is left of a round must give the next endpoint a chance, or it waits for the next round.
inline constexpr std::chrono::milliseconds kHttpSdMinAttempt{500};

// --- what it believes ---
// So many "not modified" in a row, then the list is asked for whole: servers of files make the ETag
// of size and second, and a second change within that second looks like none for ever.
inline constexpr int kHttpSdMaxNotModified = 12;
inline constexpr std::size_t kHttpSdMaxEtagBytes = 256;  // longer ones are not sent back
inline constexpr std::size_t kHttpSdGroupLabels = 256;  // of one group; a member may have 64, twice

}  // namespace rollcall::limits
