// Bounds of the provider of node processes, each with its reason (DESIGN style rule 6).
#pragma once

#include <cstddef>
#include <cstdint>

namespace rollcall::limits {

// Of one stream; processes beyond it are scanned. A quarter of the descriptors that this process
// may open, at most: the sidecar needs the others for its consumers.
inline constexpr std::size_t kMaxPidfds = 1024;
inline constexpr std::size_t kPidfdShare = 4;
inline constexpr int kPidfdEvents = 64;  // taken from the kernel at once

inline constexpr std::int64_t kLocalPollMinMs = 20;
inline constexpr std::int64_t kLocalPollMaxMs = 5000;  // an attestation looks anyway
inline constexpr std::int64_t kLocalAttestMinMs = 50;
inline constexpr std::int64_t kLocalAttestMaxMs = 5000;
// A wait for the lock that is longer would be silence before it is a failure (SPEC 3: 12 s).
inline constexpr std::int64_t kLocalLockWaitMinMs = 10;
inline constexpr std::int64_t kLocalLockWaitMaxMs = 5000;

}  // namespace rollcall::limits
