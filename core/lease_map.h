// LeaseMap: an immutable map of leases, sorted by partition, whose versions share structure.
//
// Every tick of placement makes a new version, and snapshots in flight hold older ones. The leases
// stand in pages of at most kPageLeases that versions share: publishing k leases copies the pages
// they fall into and one pointer a page, not 65,536 leases of up to 1 KiB (DESIGN "Costs follow
// the change").
//
// Threads: a value; const access from any number of threads at once is safe.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "core/event.h"

namespace rollcall {

class LeaseMap {
 public:
  static constexpr std::size_t kPageLeases = 128;

  std::size_t size() const { return size_; }
  const Lease* find(std::string_view partition) const;  // null: absent; valid as long as *this
  // Inserted or replaced; of two of one partition the later wins.
  LeaseMap with(const std::vector<Lease>& leases) const;
  // In order of partitions.
  void for_each(const std::function<void(const Lease&)>& fn) const;

 private:
  using Entry = std::shared_ptr<const Lease>;
  using Page = std::vector<Entry>;  // sorted, never empty
  void append(Page page);

  std::vector<std::shared_ptr<const Page>> pages_;  // in order
  std::size_t size_ = 0;
};

}  // namespace rollcall
