#include "provisioning/control/merged_view.h"

#include <algorithm>
#include <utility>

namespace rollcall {
namespace {

std::string address_of(const ClusterNode& node) {
  return node.host + ' ' + std::to_string(node.port);  // a host holds no blank
}

// Whether the address says which node it is: without a port ("localhost", of a process that has
// only a Unix socket) it does not.
bool has_address(const ClusterNode& node) { return node.port != 0; }

}  // namespace

const MemberMap& MergedView::update(std::vector<Contribution> ranked, MergeIdentity identity) {
  const bool same_ranking = identity == identity_ &&
                            std::equal(ranked.begin(), ranked.end(), ranked_.begin(), ranked_.end(),
                                       [](const Contribution& a, const Contribution& b) {
                                         return a.provider == b.provider;
                                       });
  identity_ = identity;
  if (!same_ranking) {
    ranked_ = std::move(ranked);
    make_anew();
    return members_;
  }
  for (std::size_t rank = 0; rank < ranked.size(); ++rank) {
    if (ranked_[rank].view.same_version(ranked[rank].view)) continue;
    const MemberMap before = std::exchange(ranked_[rank].view, std::move(ranked[rank].view));
    apply(rank, before);
  }
  return members_;
}

void MergedView::make_anew() {
  addresses_.clear();
  if (identity_ == MergeIdentity::Address) {
    for (std::size_t rank = 0; rank < ranked_.size(); ++rank) {
      ranked_[rank].view.for_each([&](const Member& member) { list(rank, member); });
    }
  }
  std::vector<Member> all;
  for (std::size_t rank = 0; rank < ranked_.size(); ++rank) {
    ranked_[rank].view.for_each([&](const Member& member) {
      if (choose(member.id()) == &member) all.push_back(member);
    });
  }
  members_ = MemberMap::from(std::move(all));
}

void MergedView::apply(std::size_t rank, const MemberMap& before) {
  const MemberMap::Difference difference = MemberMap::diff(before, ranked_[rank].view);
  std::vector<NodeId> affected;
  for (const Member& member : difference.removed) unlist(rank, member, affected);
  for (const auto& changed : difference.changed) unlist(rank, changed.before, affected);
  for (const auto& changed : difference.changed) list(rank, changed.after);
  for (const Member& member : difference.added) list(rank, member);
  for (const auto& changed : difference.changed) affect(changed.after, affected);
  for (const Member& member : difference.added) affect(member, affected);

  std::sort(affected.begin(), affected.end());
  affected.erase(std::unique(affected.begin(), affected.end()), affected.end());
  for (const NodeId& id : affected) {
    const Member* chosen = choose(id);
    if (chosen == nullptr) {
      members_ = members_.without(id);
      continue;
    }
    const Member* known = members_.find(id);
    if (known == nullptr || !(*known == *chosen)) members_ = members_.with(*chosen);
  }
}

void MergedView::list(std::size_t rank, const Member& member) {
  if (identity_ != MergeIdentity::Address || !has_address(*member.node)) return;
  addresses_[address_of(*member.node)].push_back({rank, member.id()});
}

void MergedView::unlist(std::size_t rank, const Member& member, std::vector<NodeId>& affected) {
  affect(member, affected);
  if (identity_ != MergeIdentity::Address || !has_address(*member.node)) return;
  const auto at = addresses_.find(address_of(*member.node));
  if (at == addresses_.end()) return;
  std::erase(at->second, Listing{rank, member.id()});
  if (at->second.empty()) addresses_.erase(at);
}

// The member itself, and whoever is at its address: it may be hidden now, or hidden no longer.
void MergedView::affect(const Member& member, std::vector<NodeId>& affected) const {
  affected.push_back(member.id());
  if (identity_ != MergeIdentity::Address || !has_address(*member.node)) return;
  const auto at = addresses_.find(address_of(*member.node));
  if (at == addresses_.end()) return;
  for (const Listing& listing : at->second) affected.push_back(listing.id);
}

const Member* MergedView::choose(const NodeId& id) const {
  for (std::size_t rank = 0; rank < ranked_.size(); ++rank) {
    const Member* member = ranked_[rank].view.find(id);
    if (member == nullptr) continue;
    const bool by_address = identity_ == MergeIdentity::Address && has_address(*member->node);
    if (!by_address || rank == 0) return member;
    const auto at = addresses_.find(address_of(*member->node));
    const bool hidden = at != addresses_.end() &&
                        std::any_of(at->second.begin(), at->second.end(),
                                    [&](const Listing& listing) { return listing.rank < rank; });
    return hidden ? nullptr : member;
  }
  return nullptr;
}

}  // namespace rollcall
