// Bounds of announcing, each with its reason (DESIGN style rule 6).
#pragma once

#include <chrono>
#include <cstddef>

#include "core/limits.h"

namespace rollcall::limits {

// --- what may be configured: kMaxAnnounceProviders, kAnnounceTtl… in core/limits.h ---
// One thread calls all of them in turn, and a call takes a sixth of the TTL at the longest: with
// the three others hanging, a renewal that is due after a third of the TTL ends before the TTL does
// (1/3 + 3/6 < 1).
inline constexpr int kAnnounceCallShare = 6;   // a call: at most ttl / 6 …
inline constexpr seconds kAnnounceCallMax{5};  // … and never longer than a connectivity check

// --- when ---
inline constexpr int kAnnounceRenewals = 3;  // within one TTL: two may be lost
inline constexpr seconds kAnnounceBackoff{1};
inline constexpr seconds kAnnounceBackoffMax{30};
// The provider's own list may lag behind its backend: missing counts after half a TTL, within these
// bounds. The longer one is what a provider may take to become Unreachable (SPEC 3).
inline constexpr seconds kAnnounceMissingMin{2};
inline constexpr seconds kAnnounceMissingMax{15};
// How often the providers' own lists are looked at: what costs one question to the service thread.
inline constexpr milliseconds kAnnounceLookMin{250};
inline constexpr seconds kAnnounceLookMax{5};
inline constexpr seconds kAnnounceLookAnswer{1};  // of the service thread

// --- the end ---
// Of a drain, which takes 5 s in all; a backend that does not answer gets the rest from its TTL.
inline constexpr seconds kAnnounceWithdraw{2};
inline constexpr std::size_t kAnnounceErrorBytes = 512;  // kept of an error, as of a FailedAnswer

}  // namespace rollcall::limits
