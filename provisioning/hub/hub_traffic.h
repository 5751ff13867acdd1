// HubTraffic: what the hub handed to its transports since it began, by bridge. Counted where it
// happens, with one relaxed addition a batch; read as a whole at a scrape.
//
// Threads: any.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "core/error.h"
#include "provisioning/hub/consumer_table.h"

namespace rollcall {

struct BridgeTraffic {
  std::uint64_t batches = 0;  // handed to the transport; chunks of snapshots and bookmarks included
  std::uint64_t events = 0;
  std::uint64_t bytes = 0;
  std::uint64_t snapshots = 0;         // given whole
  std::uint64_t acknowledgements = 0;  // accepted
  // Streams that ended: [0] in order or by the client, [code] with that error.
  std::array<std::uint64_t, kErrorCodeCount + 1> ended{};
};

class HubTraffic {
 public:
  using Totals = std::array<BridgeTraffic, kBridgeCount>;  // index: bridge - 1

  void batch(Bridge bridge, std::uint64_t events, std::size_t bytes) {
    Cell& cell = at(bridge);
    add(cell.batches, 1);
    add(cell.events, events);
    add(cell.bytes, bytes);
  }
  void snapshot(Bridge bridge) { add(at(bridge).snapshots, 1); }
  void acknowledged(Bridge bridge) { add(at(bridge).acknowledgements, 1); }
  void ended(Bridge bridge, std::optional<ErrorCode> error) {
    add(at(bridge).ended[error ? static_cast<std::size_t>(*error) : 0], 1);
  }

  Totals read() const {
    Totals totals;
    for (std::size_t i = 0; i < cells_.size(); ++i) {
      const Cell& cell = cells_[i];
      totals[i] = {cell.batches.load(std::memory_order_relaxed),
                   cell.events.load(std::memory_order_relaxed),
                   cell.bytes.load(std::memory_order_relaxed),
                   cell.snapshots.load(std::memory_order_relaxed),
                   cell.acknowledgements.load(std::memory_order_relaxed),
                   {}};
      for (std::size_t code = 0; code < cell.ended.size(); ++code) {
        totals[i].ended[code] = cell.ended[code].load(std::memory_order_relaxed);
      }
    }
    return totals;
  }

 private:
  using Counter = std::atomic<std::uint64_t>;
  struct alignas(64) Cell {  // bridges do not share a cache line
    Counter batches{0};
    Counter events{0};
    Counter bytes{0};
    Counter snapshots{0};
    Counter acknowledgements{0};
    std::array<Counter, kErrorCodeCount + 1> ended{};
  };
  static void add(Counter& counter, std::uint64_t n) {
    counter.fetch_add(n, std::memory_order_relaxed);
  }
  Cell& at(Bridge bridge) { return cells_[static_cast<std::size_t>(bridge) - 1]; }

  std::array<Cell, kBridgeCount> cells_;
};

}  // namespace rollcall
