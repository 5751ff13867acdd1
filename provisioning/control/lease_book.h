// LeaseBook: the latest lease of every partition, for this epoch (SPEC 6 PublishOwnership).
//
// Threads: a value, used by the writer only. The table it hands out is immutable.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/error.h"
#include "core/event.h"
#include "core/snapshot.h"

namespace rollcall {

class LeaseBook {
 public:
  // All of `leases` or none. OUT_OF_ORDER (tick), INVALID_CONFIG, LIMIT_EXCEEDED.
  Result<void> publish(std::uint64_t tick, const std::vector<Lease>& leases);

  std::uint64_t tick() const { return tick_; }
  const std::shared_ptr<const LeaseMap>& table() const { return table_; }  // null: none yet

 private:
  std::uint64_t tick_ = 0;
  std::shared_ptr<const LeaseMap> table_;
};

}  // namespace rollcall
