#include "deploy/rollcalld/boot.h"

#include <sys/random.h>

#include <algorithm>
#include <utility>

namespace rollcall {

std::uint64_t random_bits() {
  std::uint64_t bits = 0;
  // Up to 256 bytes are never interrupted or short once the kernel's pool is initialised
  // (getrandom(2)), which the call waits for.
  while (getrandom(&bits, sizeof(bits), 0) != static_cast<ssize_t>(sizeof(bits))) {
  }
  return bits;
}

namespace {

// What is left of each block's life. A wall clock that went back makes it longer, but never longer
// than a block made now would have; one that is far ahead ends it at once.
void set_monotonic_expiry(BlockTable& blocks, const Clock& clock, Duration lifetime) {
  const MonoTime now = clock.now();
  const WallTime wall = clock.wall_now();
  const auto longest = std::chrono::duration_cast<std::chrono::milliseconds>(lifetime);
  for (auto& [id, block] : blocks) {
    // Compared in milliseconds: what a file may hold does not fit into nanoseconds.
    const bool over = block.expires_at <= wall;
    const bool far = !over && block.expires_at - longest > wall;
    block.expires_mono = now + (over  ? Duration::zero()
                                : far ? lifetime
                                      : Duration(block.expires_at - wall));
  }
}

}  // namespace

Result<BootState> read_boot_state(StateFiles& files, const Clock& clock, Duration block_lifetime) {
  BootState state;
  auto blocks = files.load_blocks();
  if (!blocks) return tl::unexpected(std::move(blocks.error()));
  state.blocks = std::move(*blocks);
  set_monotonic_expiry(state.blocks, clock, block_lifetime);

  auto held = files.load_holds();
  if (!held) return tl::unexpected(std::move(held.error()));
  state.held = std::move(*held);

  auto topology = files.load_topology();
  if (!topology) return tl::unexpected(std::move(topology.error()));
  if (*topology) {
    SavedTopology& saved = **topology;
    const Duration age = std::max(Duration(clock.wall_now() - saved.observed_at), Duration::zero());
    state.cached = CachedTopology{std::move(saved.members), saved.observed_at, age, saved.provider};
  }

  // Last: what is refused above must not use up boots.
  auto boot = files.next_boot();
  if (!boot) return tl::unexpected(std::move(boot.error()));
  state.boot = *boot;
  // What was read counts only once it is certainly on the disk: an earlier process may have died
  // right after a directory fsync that failed. After the counter, which must be the first file
  // there is.
  for (const Saved& settled : {files.save_blocks(state.blocks), files.save_holds(state.held)}) {
    if (!settled) return tl::unexpected<ProvisioningError>(settled.error());
  }
  state.epoch = make_epoch(state.boot, static_cast<std::uint32_t>(random_bits()));
  state.seed = random_bits();
  return state;
}

}  // namespace rollcall
