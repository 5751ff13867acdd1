// The body of GET /v1/topology (DESIGN), made piece by piece from an immutable snapshot, so that
// 100,000 members are never one text in memory.
//
// Threads: for one thread; the snapshot it holds is immutable.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/member_map.h"
#include "core/snapshot.h"
#include "core/time.h"

namespace rollcall {

// What one provider lists, for a member's provenance.
struct ProviderListing {
  ProviderId id;
  MemberMap members;
};

class TopologyJson {
 public:
  // `snapshot` has a topology. `now` gives the age. With `listings`, in order of priority, every
  // member has "providers": the ids of those that list it now (none: it is kept because nobody
  // confirmed that it is gone).
  TopologyJson(std::shared_ptr<const TopologySnapshot> snapshot, MonoTime now,
               std::optional<std::vector<ProviderListing>> listings = std::nullopt);

  // About `bytes` of the document's next part; empty: there is no more.
  std::string next(std::size_t bytes);
  std::size_t members() const { return members_.size(); }

 private:
  std::string head() const;
  std::string member_json(const Member& member) const;

  const std::shared_ptr<const TopologySnapshot> snapshot_;
  const MonoTime now_;
  const std::optional<std::vector<ProviderListing>> listings_;
  std::vector<Member> members_;
  std::size_t at_ = 0;
  bool began_ = false;
  bool ended_ = false;
};

// Changes with every event and when the topology becomes stale: "\"<epoch>-<seq_no>\"" (RFC
// 9110 8.8.3).
std::string topology_etag(const TopologySnapshot& snapshot);

}  // namespace rollcall
