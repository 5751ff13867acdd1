// Bounds of the dns provider, each with its reason (DESIGN style rule 6).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace rollcall::limits {

// --- how often it asks ---
inline constexpr std::int64_t kDnsTtlMinMs = 20;         // tests; 50 questions a second
inline constexpr std::int64_t kDnsTtlMaxMs = 3'600'000;  // an hour without a sign of life
// Sidecars whose resolver's cache ran out at one moment must not go on asking together.
inline constexpr double kDnsJitter = 0.1;
// After a failure the core says when to ask again; this bounds whoever asks sooner.
inline constexpr int kDnsBurst = 2;
inline constexpr std::chrono::seconds kDnsRefill{1};

// --- how long it asks ---
inline constexpr std::int64_t kDnsTimeoutMinMs = 60;
inline constexpr std::int64_t kDnsTimeoutMaxMs = 10'000;
// A question is sent twice, the second time with twice the patience: a third of the time-out first.
inline constexpr int kDnsTries = 2;
inline constexpr int kDnsTimeoutParts = 3;
// A look-up is several questions and may try several servers: so many time-outs in all.
inline constexpr int kDnsRoundTimeouts = 3;

// --- what it asks ---
inline constexpr std::size_t kDnsInFlight = 32;   // questions at once, so that no server is flooded
inline constexpr std::size_t kDnsServers = 8;     // of resolv.conf; it allows 3
inline constexpr std::size_t kDnsTargets = 4096;  // SRV records of 16 bytes and more fill 64 KiB
inline constexpr int kDnsUdpBytes = 1232;         // no fragments (DNS flag day 2020)
inline constexpr int kDnsAliases = 8;             // CNAMEs in a row; more are a loop

// --- what it reads ---
inline constexpr std::size_t kDnsMessageBytes = 65'535;  // the length of TCP has 16 bits
// All replies of one look-up, and what is kept of them: 4,096 targets with a handful of addresses
// each take half of it. Without it a server could fill the memory, 64 KiB a question.
inline constexpr std::size_t kDnsLookupBytes = 8u << 20;
inline constexpr std::size_t kDnsNameBytes = 255;  // RFC 1035 2.3.4
inline constexpr std::size_t kDnsPointers = 128;   // of one name; each leads backwards

}  // namespace rollcall::limits
