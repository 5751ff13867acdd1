// Bounds of the Kubernetes provider, each with its reason (DESIGN style rule 6).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace rollcall::limits {

// --- how often the view is attested ---
// The longest silence is this, one small read and one wait for the watch to catch up: 11.5 s, which
// is below the 12 s after which a provider is Degraded (SPEC 3).
inline constexpr std::int64_t kKubernetesAttestMinMs = 50;
inline constexpr std::int64_t kKubernetesAttestMaxMs = 8'000;
inline constexpr std::chrono::milliseconds kKubernetesReadTimeout{2500};
// What the small read shows is in etcd already; the watch has it within milliseconds, or is stuck.
inline constexpr std::chrono::seconds kKubernetesCatchUp{1};
// Bookmarks come about once a minute. A watch that has not come to where a read was three of them
// ago is opened anew from a list: in a cluster whose etcd tells no progress that happens for
// nothing, so it must be rare, too.
inline constexpr std::chrono::minutes kKubernetesWatchStale{3};

// --- how long a question may take ---
inline constexpr std::chrono::seconds kKubernetesListTimeout{8};  // all pages together
// One next() ends before a silent provider becomes Unreachable (15 s).
inline constexpr std::chrono::seconds kKubernetesRound{14};
inline constexpr std::chrono::milliseconds kKubernetesMinAttempt{500};

// --- the watch ---
// Ends by itself after a random time in here, so that a fleet's watches do not end together.
inline constexpr std::int64_t kKubernetesWatchMinS = 300;
inline constexpr std::int64_t kKubernetesWatchMaxS = 600;
inline constexpr std::chrono::seconds kKubernetesShortWatch{
    1};  // closed before, with no event: an error
// A server that restarts ends all watches at once: each waits at most this long to open another.
inline constexpr std::chrono::milliseconds kKubernetesReopenSpread{1000};
inline constexpr int kKubernetesOpenBurst = 4;  // lists and watches opened without a pause …
inline constexpr std::chrono::seconds kKubernetesOpenRefill{1};  // … and one more each second
// An object of 1.5 MiB (etcd's limit) in its storage form is about three times that in JSON.
inline constexpr std::size_t kKubernetesEventBytes = 8u << 20;
// Changes that come together are told together: one answer for what follows within 2 ms, but none
// waits longer than 50 ms or for more than so many.
inline constexpr std::chrono::milliseconds kKubernetesQuiet{2};
inline constexpr std::chrono::milliseconds kKubernetesGather{50};
inline constexpr std::size_t kKubernetesGatherEvents = 1'000;

// --- lists ---
inline constexpr std::int64_t kKubernetesPageDefault = 100;  // of at most 1,000 endpoints each
inline constexpr std::int64_t kKubernetesPageMax = 500;
inline constexpr int kKubernetesListTries = 3;            // begun anew when a page was gone (410)
inline constexpr std::size_t kKubernetesSlices = 50'000;  // 200,000 members, 4 to a slice
// Endpoints may be there twice while the control plane moves them between slices.
inline constexpr std::size_t kKubernetesEndpoints = 400'000;
inline constexpr std::size_t kKubernetesVersionBytes =
    64;  // a resource version: 128 bits are 39 digits
inline constexpr std::size_t kKubernetesContinueBytes = 4096;
inline constexpr std::size_t kKubernetesNameBytes = 253;     // of an object
inline constexpr std::size_t kKubernetesLabelBytes = 63;     // a namespace, a service, a port
inline constexpr std::size_t kKubernetesMessageBytes = 256;  // of a Status quoted in an error

}  // namespace rollcall::limits
