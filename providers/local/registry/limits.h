// Bounds of the process registry, each with its reason (DESIGN style rule 6).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "core/limits.h"

namespace rollcall::limits {

// --- what it holds ---
inline constexpr std::size_t kMaxLocalEntries = 4096;             // node processes of one host
inline constexpr std::size_t kMaxLocalRegistryBytes = 16u << 20;  // 4 KiB an entry
// A line is at most a node's canonical bytes with every byte escaped (\u00NN), and the names.
inline constexpr std::size_t kMaxLocalLineBytes = 8 * kMaxNodeBytes;
inline constexpr std::size_t kMaxSocketBytes = 107;  // sockaddr_un::sun_path without its NUL
inline constexpr std::size_t kMaxVersionBytes = 128;
inline constexpr std::size_t kMaxHostIdentityBytes = 128;  // a boot id, or the names of namespaces

// --- processes ---
inline constexpr std::int64_t kMaxPid = 4'194'304;      // PID_MAX_LIMIT of 64-bit Linux
inline constexpr std::size_t kMaxProcFileBytes = 4096;  // /proc/<pid>/stat is a few hundred

// --- the lock ---
// A registration holds it for two fsyncs; whoever waits longer waits for a process that hangs.
inline constexpr std::chrono::milliseconds kLockWait{5000};
// flock() that waits can be neither bounded nor cancelled without signals, so it is tried again and
// again: soon at first, and never later than this.
inline constexpr std::chrono::milliseconds kLockTryFirst{1};
inline constexpr std::chrono::milliseconds kLockTryMax{8};
// Whoever just had the lock stands back this long, or a process that registers in a loop would shut
// out those that look every kLockTryMax.
inline constexpr std::chrono::milliseconds kLockYield{10};
inline constexpr std::size_t kMaxHolderBytes = 160;  // "process 4711 (name)"

}  // namespace rollcall::limits
