// Bounds that only providers need, each with its reason (DESIGN style rule 6). What other layers
// need too is in core/limits.h.
#pragma once

#include <chrono>
#include <cstddef>

namespace rollcall::limits {

// --- waiting ---
inline constexpr std::chrono::seconds kWaitSlice{
    5};  // a wait looks at the clock at least this often
// Without an eventfd (descriptors exhausted) a wait polls its flag: half of the 1 s that cancel()
// has.
inline constexpr std::chrono::milliseconds kWaitSliceWithoutFd{250};

// --- credentials ---
inline constexpr std::chrono::seconds kCredentialsReread{60};  // core/descriptor.h, AuthRef
inline constexpr std::size_t kMaxPemFileBytes = 1u << 20;  // a whole system CA bundle is ~250 kB

// --- name resolution ---
inline constexpr std::size_t kMaxAddresses = 16;  // of one name; more are ignored
inline constexpr std::chrono::milliseconds kResolverTryTimeout{800};  // one question to one server
inline constexpr int kResolverTries = 2;

// --- connections: a lost peer is found in about 10 s, below the time-out of 15 s (SPEC 3) ---
inline constexpr std::chrono::seconds kConnectTimeout{2};  // TCP and TLS to one endpoint
inline constexpr int kKeepaliveIdleS = 4;
inline constexpr int kKeepaliveIntervalS = 2;
inline constexpr int kKeepaliveProbes = 3;
inline constexpr int kTcpUserTimeoutMs = 10'000;  // sent and never acknowledged

// --- HTTP ---
inline constexpr std::size_t kMaxHttpHeaderBytes = 64u << 10;  // status line, headers, trailers
inline constexpr std::size_t kMaxHttpHeaders = 128;
inline constexpr std::size_t kMaxHttpChunkLine = 256;     // a chunk's size and extensions
inline constexpr std::size_t kMaxHttpInformational = 4;   // 1xx answers before the real one
inline constexpr std::size_t kHttpReadBytes = 64u << 10;  // one read from the socket
inline constexpr std::size_t kBodyPadding = 128;          // spare room that simdjson reads into
inline constexpr std::size_t kMaxHttpPieceBytes = 256u << 10;  // of a streamed body held at once
inline constexpr std::size_t kMaxHttpErrorText = 160;     // of a body quoted in an error

// --- directories that are watched ---
inline constexpr std::size_t kInotifyBytes = 16u << 10;  // one read of events
inline constexpr int kInotifyReads = 16;  // of one drain; the rest waits for the next

// --- detail of a FailedAnswer (core/provider.h) ---
inline constexpr std::size_t kMaxFailureDetailBytes = 512;

}  // namespace rollcall::limits
