// The body of GET /v1/topology (DESIGN), made piece by piece from an immutable snapshot, so that
// 100,000 members are never one text in memory.
//
// Threads: for one thread; the snapshot it holds is immutable.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "core/snapshot.h"
#include "core/time.h"

namespace rollcall {

class TopologyJson {
 public:
  // `snapshot` has a topology. `now` gives the age.
  TopologyJson(std::shared_ptr<const TopologySnapshot> snapshot, MonoTime now);

  // About `bytes` of the document's next part; empty: there is no more.
  std::string next(std::size_t bytes);
  std::size_t members() const { return members_.size(); }

 private:
  std::string head() const;

  const std::shared_ptr<const TopologySnapshot> snapshot_;
  const MonoTime now_;
  std::vector<Member> members_;
  std::size_t at_ = 0;
  bool began_ = false;
  bool ended_ = false;
};

// Changes with every event and when the topology becomes stale: "\"<epoch>-<seq_no>\"" (RFC
// 9110 8.8.3).
std::string topology_etag(const TopologySnapshot& snapshot);

}  // namespace rollcall
