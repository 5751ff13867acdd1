// Bounds of the file provider, each with its reason (DESIGN style rule 6).
#pragma once

#include <chrono>
#include <cstdint>

namespace rollcall::limits {

// A file whose writer has not closed it is left alone until it has been quiet this long …
inline constexpr std::chrono::milliseconds kFileQuiet{1000};
// … or this long has passed since we first saw the write: below the 5 s in which we must attest.
inline constexpr std::chrono::milliseconds kFileSettleMax{3000};
// Where only a poll saw the change (no inotify, a network file system), or at the first read: two
// equal looks this far apart.
inline constexpr std::chrono::milliseconds kFileSettlePoll{100};
inline constexpr int kFileReadAttempts = 5;  // of a file that changes while it is read
// Time stamps of files have a granularity (4 ms on ext4, 2 s on FAT): a file that was changed less
// than this before we read it may change again without looking changed, and is read again.
inline constexpr std::chrono::milliseconds kFileStampGranularity{2000};

inline constexpr std::int64_t kFilePollMinMs = 20;
inline constexpr std::int64_t kFilePollMaxMs = 5000;  // an attestation looks anyway
inline constexpr std::int64_t kFileAttestMinMs = 50;
inline constexpr std::int64_t kFileAttestMaxMs = 5000;  // SPEC 3

}  // namespace rollcall::limits
