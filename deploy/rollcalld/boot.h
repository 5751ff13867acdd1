// What a sidecar finds in its state directory when it starts (SPEC 5, 7): who it is this time (boot
// counter, epoch), and what it remembers (blocks, holds, the last confirmed topology).
//
// Threads: the starting thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/error.h"
#include "core/ids.h"
#include "core/time.h"
#include "provisioning/control/provisioning_core.h"
#include "provisioning/registry/state_files.h"

namespace rollcall {

struct BootState {
  std::uint64_t boot = 0;  // durable, one higher than ever before
  Epoch epoch;
  std::uint64_t seed = 0;  // of the core's jitter
  BlockTable blocks;       // with monotonic expiry times of this process
  std::vector<ProviderId> held;
  std::optional<CachedTopology> cached;
};

// From the kernel's generator; for what others must not have too (epochs), or do at once (jitter).
std::uint64_t random_bits();

// STORE_CORRUPTED and STORE_IO name the file and the command that recovers. No block lives longer
// than `block_lifetime` from now, whatever the wall clock was when it was written.
Result<BootState> read_boot_state(StateFiles& files, const Clock& clock, Duration block_lifetime);

}  // namespace rollcall
