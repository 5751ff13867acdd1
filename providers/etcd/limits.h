// Bounds of the etcd provider, each with its reason (DESIGN style rule 6).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace rollcall::limits {

// --- how often the view is proven, and how long that may take ---
// With the longest interval and a proof that uses all of its time, an attestation comes after 11 s:
// below the 12 s after which a provider is Degraded (SPEC 3).
inline constexpr std::int64_t kEtcdAttestMinMs = 50;
inline constexpr std::int64_t kEtcdAttestMaxMs = 8000;
inline constexpr std::chrono::seconds kEtcdAnswerMargin{3};
inline constexpr std::chrono::milliseconds kEtcdCallTimeout{2500};  // one small question
inline constexpr std::chrono::seconds kEtcdPageTimeout{5};          // one page of a large prefix
// How long the watch may take to catch up with what a question has seen; then all is read anew.
inline constexpr std::chrono::milliseconds kEtcdCatchUp{2000};
// How often the proof is tried again meanwhile.
inline constexpr std::chrono::milliseconds kEtcdProofEvery{250};
// One round over the endpoints ends before a silent provider becomes Unreachable (15 s).
inline constexpr std::chrono::seconds kEtcdRound{14};
// What is left of a round must give the next endpoint a chance, or it waits for the next round.
inline constexpr std::chrono::milliseconds kEtcdMinAttempt{500};

// --- how often everything is read ---
inline constexpr int kEtcdBurst = 2;
inline constexpr std::chrono::seconds kEtcdRefill{1};
// A fleet whose watches ended at one moment reads everything anew within this long, each at a
// moment of its own; or within a quarter of attest_ms, where that is less, so that it shows in no
// health.
inline constexpr std::chrono::seconds kEtcdReadSpread{1};
// A fleet's document: how often a watch may wake its reader, after a burst.
inline constexpr std::chrono::milliseconds kEtcdStoreRefill{200};
// A prefix whose history is compacted under our hands, page by page: then it is not to be had now.
inline constexpr int kEtcdReadAttempts = 3;

// --- sizes ---
inline constexpr std::int64_t kEtcdPageKeys = 1000;
// One message. etcd takes values up to 1.5 MiB; a page that is larger is asked for in smaller ones.
inline constexpr int kEtcdMaxMessageBytes = 16 << 20;
inline constexpr std::int64_t kEtcdPageShrink = 8;
// One value: the largest node (16 KiB) with everything in it escaped.
inline constexpr std::size_t kEtcdMaxValueBytes = 128u << 10;
inline constexpr std::size_t kEtcdNamedKeys = 5;  // of malformed values, in an error

// --- the connection ---
// etcd closes connections that ping more often than every 5 s.
inline constexpr int kEtcdKeepaliveMs = 10'000;
inline constexpr int kEtcdKeepaliveTimeoutMs = 5'000;
// A look at why TLS may have failed: a handshake, and what the server says about it at once.
inline constexpr std::chrono::milliseconds kEtcdTlsLook{1000};
inline constexpr std::chrono::milliseconds kEtcdTlsAlert{300};

}  // namespace rollcall::limits
