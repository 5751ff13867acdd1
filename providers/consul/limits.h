// Bounds of the Consul provider, each with its reason (DESIGN style rule 6).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace rollcall::limits {

// --- how long a question may take ---
// The agent stretches a wait by up to 1/16; with the margin the longest silence is 11.5 s, which is
// below the 12 s after which a provider is Degraded (SPEC 3). Hence the bound of wait_ms too.
inline constexpr std::int64_t kConsulWaitMinMs = 10;
inline constexpr std::int64_t kConsulWaitMaxMs = 10'000;
inline constexpr std::chrono::milliseconds kConsulAnswerMargin{900};
// With a short wait an agent that is merely busy is still given this long.
inline constexpr std::chrono::milliseconds kConsulMinPatience{2500};
inline constexpr std::chrono::seconds kConsulTransfer{2};  // of a large body that has begun to come
inline constexpr std::chrono::seconds kConsulReadTimeout{5};  // a question that doesn't block
// One round over the endpoints ends before a silent provider becomes Unreachable (15 s).
inline constexpr std::chrono::seconds kConsulRound{14};
// What is left of a round must give the next endpoint a chance, or it waits for the next round.
inline constexpr std::chrono::milliseconds kConsulMinAttempt{500};

// --- how often it asks ---
inline constexpr int kConsulBurst = 2;  // Consul's own advice for blocking queries
inline constexpr std::chrono::seconds kConsulRefill{1};

// --- what it keeps of an answer ---
inline constexpr std::int64_t kConsulMaxStaleMs = 60'000;
inline constexpr std::size_t kConsulTagsBytes = 512;  // = kMaxLabelValueBytes

// --- announcing ---
// Consul takes no less; how long a node whose sidecar is gone stays, NOT_READY, before it leaves.
inline constexpr std::chrono::minutes kConsulDeregisterMin{1};

}  // namespace rollcall::limits
