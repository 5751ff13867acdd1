// Bounds of the kind `custom`, each with its reason (DESIGN style rule 6). Those that concern
// plug-in authors are in proto/rollcall/v1/plugin.proto too.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace rollcall::limits {

inline constexpr std::uint32_t kPluginProtocolVersion = 1;

// --- what a plug-in may send ---
// A message is parsed as a whole: a megabyte of empty nodes becomes about 60 MB for a moment.
inline constexpr std::size_t kMaxPluginMessageBytes = 1u << 20;
// What may come before gRPC gives a message out (plugin_relay.h): a whole one, what the stream's
// window holds of the next ones, and HTTP/2's frames around them, twice over.
inline constexpr std::size_t kMaxPluginBytesWithoutMessage = 4u << 20;
inline constexpr std::size_t kPluginRelayBytes = 64u << 10;       // in each direction
inline constexpr std::size_t kMaxPluginMetadataBytes = 8u << 10;  // status messages travel there
// More than twice what 1,000 changes a second need; the burst is what a stalled thread finds
// waiting for it. Beyond it the stream fails: one that was only slowed down would attest from a
// backlog that is seconds old.
inline constexpr int kPluginMessageBurst = 4'000;
inline constexpr std::chrono::microseconds kPluginMessageRefill{500};
inline constexpr std::size_t kMaxPluginNameBytes = 64;
inline constexpr std::size_t kMaxPluginIndexBytes = 128;
inline constexpr std::size_t kMaxPluginDetailBytes = 300;  // leaves room for what Rollcall adds

// --- waiting ---
inline constexpr std::int64_t kPluginAttestMinMs = 50;
inline constexpr std::int64_t kPluginAttestMaxMs = 600'000;
// How late an attestation may be before the plug-in counts as hung: this, or a fifth of the
// interval if that is more (SPEC 3: Degraded at 1.2 times the interval).
inline constexpr std::chrono::milliseconds kPluginAttestMargin{1500};
inline constexpr std::chrono::seconds kPluginSnapshotTransfer{10};  // 200,000 members from Python
inline constexpr std::int64_t kPluginStartMinMs = 100;
inline constexpr std::int64_t kPluginStartMaxMs = 60'000;
inline constexpr std::chrono::milliseconds kPluginConnectEvery{20};  // until the socket is there
inline constexpr std::chrono::seconds kPluginCheckTimeout{4};        // below admission's 5 s
// How long the end of a process is waited for when its connection broke, to tell both together.
inline constexpr std::chrono::milliseconds kPluginExitGrace{250};
// TERM to KILL. With what else a stream does at its end it stays below the 1 s of cancel().
inline constexpr std::chrono::milliseconds kPluginTermGrace{600};

// KILL to being left behind: a killed process ends at once unless the kernel holds it. With the
// grace before it, the end of a stream stays below the 2 s that its thread has
// (kStreamStopDeadline).
inline constexpr std::chrono::milliseconds kPluginKillGrace{1000};
inline constexpr std::size_t kMaxLeftPlugins = 8;  // then none are started until one has ended

// What a plug-in may ask to be renewed within: less would make it a hammer.
inline constexpr std::chrono::seconds kPluginRenewMin{1};

// --- how often it is started or asked again, whatever the core's backoff says ---
inline constexpr int kPluginAttemptBurst = 2;
inline constexpr std::chrono::seconds kPluginAttemptRefill{1};

// --- what it writes to stdout and stderr ---
inline constexpr std::size_t kPluginOutputLines = 8;                // the last ones are kept
inline constexpr std::size_t kPluginOutputLineBytes = 160;          // of each
inline constexpr std::size_t kPluginOutputReadBytes = 64u << 10;    // at once …
inline constexpr std::chrono::milliseconds kPluginOutputPause{10};  // … then a pause: 6 MB/s

// --- settings ---
inline constexpr std::size_t kMaxPluginArguments = 64;
inline constexpr std::size_t kMaxPluginConfigEntries = 64;
inline constexpr std::size_t kMaxPluginSocketPath = 107;  // sockaddr_un without its final zero

}  // namespace rollcall::limits
