// MergedView: one list of members made of what several providers say (`topology.mode: merge`).
//
// Providers are ranked. Whoever is listed by a higher-ranking one is taken from it, and what a
// lower- ranking one says of the same node is ignored. Which is "the same node" is a stated rule:
//   MergeIdentity::Id       the same id
//   MergeIdentity::Address  the same id, or the same host and port (not 0): the higher-ranking
//   one's
//                           id counts
// A provider's own list is never thinned out: two of its members with one address stay two.
// Whether a member of a higher-ranking provider is itself ignored does not matter to the rule: it
// is decided by what is listed, so that it can be told at three in the morning by looking at two
// lists.
//
// A member goes only when every provider that lists it has confirmed an answer without it.
//
// Threads: a value, used by the writer only.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "core/ids.h"
#include "core/member_map.h"
#include "core/node.h"
#include "provisioning/failover/failover_policy.h"

namespace rollcall {

class MergedView {
 public:
  struct Contribution {
    ProviderId provider;  // empty: what an earlier run left
    MemberMap view;
  };

  // The union of `ranked`, best first. Costs O(changes · log n · providers) while the ranking stays
  // as it was and versions share structure; else the whole is made anew.
  const MemberMap& update(std::vector<Contribution> ranked, MergeIdentity identity);
  const MemberMap& members() const { return members_; }

 private:
  // Who lists an address: provider (index into ranked_) and id. Kept for MergeIdentity::Address.
  struct Listing {
    std::size_t rank;
    NodeId id;
    friend auto operator<=>(const Listing&, const Listing&) = default;
  };
  using Addresses = std::map<std::string, std::vector<Listing>>;

  void make_anew();
  void apply(std::size_t rank, const MemberMap& before);
  void list(std::size_t rank, const Member& member);
  void unlist(std::size_t rank, const Member& member, std::vector<NodeId>& affected);
  void affect(const Member& member, std::vector<NodeId>& affected) const;
  // Whom the union takes for this id: null for nobody.
  const Member* choose(const NodeId& id) const;

  MergeIdentity identity_ = MergeIdentity::Id;
  std::vector<Contribution> ranked_;
  Addresses addresses_;
  MemberMap members_;
};

}  // namespace rollcall
