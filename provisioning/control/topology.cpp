#include "provisioning/control/topology.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "core/codec/canonical.h"

namespace rollcall {

void TopologyChange::sort() {
  const auto by_id = [](const Member& a, const Member& b) { return a.id() < b.id(); };
  std::sort(left.begin(), left.end(), by_id);
  std::sort(joined.begin(), joined.end(), by_id);
  std::sort(changed.begin(), changed.end(),
            [](const auto& a, const auto& b) { return a.after.id() < b.after.id(); });
}

void Topology::restore(const MemberMap& cached, const Blocked& blocked) {
  std::vector<Member> plain;
  std::vector<Member> shown;
  cached.for_each([&](const Member& member) {
    plain.push_back(with_blocked(member, false));
    shown.push_back(with_blocked(member, blocked(member.id(), member.node->incarnation)));
  });
  view_ = MemberMap::from(std::move(plain));
  members_ = MemberMap::from(std::move(shown));
}

void Topology::put(const Member& seen, const Blocked& blocked, TopologyChange& change) {
  const Member* known = members_.find(seen.id());
  std::shared_ptr<const ClusterNode> node = seen.node;
  if (known != nullptr && node->incarnation.empty() && !known->node->incarnation.empty()) {
    auto kept = std::make_shared<ClusterNode>(*node);  // absent keeps the known one (SPEC 1)
    kept->incarnation = known->node->incarnation;
    node = std::move(kept);
  }
  const bool is_blocked = blocked(seen.id(), node->incarnation);
  Member member = make_member(std::move(node), is_blocked);
  if (known == nullptr) {
    change.joined.push_back(member);
  } else if (*known == member) {
    return;
  } else if (!known->node->incarnation.empty() &&
             known->node->incarnation != member.node->incarnation) {
    change.left.push_back(*known);
    change.joined.push_back(member);
  } else {
    change.changed.push_back({*known, member});
  }
  members_ = members_.with(std::move(member));
}

Topology::Followed Topology::follow(const MemberMap& view, const Blocked& blocked,
                                    const MayRemove& may_remove) {
  Followed out;
  if (view_.same_version(view)) return out;
  const MemberMap::Difference difference = MemberMap::diff(view_, view);
  view_ = view;

  std::vector<NodeId> gone;
  for (const Member& member : difference.removed) {
    if (members_.find(member.id()) != nullptr) gone.push_back(member.id());
  }
  if (!gone.empty() && !may_remove(gone.size())) {
    out.kept = std::move(gone);
  } else {
    for (const NodeId& id : gone) remove(id, out.change);
  }
  for (const Member& member : difference.added) {
    out.returned.push_back(member.id());
    put(member, blocked, out.change);
  }
  for (const auto& changed : difference.changed) put(changed.after, blocked, out.change);
  out.change.sort();
  return out;
}

void Topology::remove(const NodeId& id, TopologyChange& change) {
  const Member* member = members_.find(id);
  if (member == nullptr) return;
  change.left.push_back(*member);
  members_ = members_.without(id);
}

void Topology::forget_removal(const NodeId& id) {
  const Member* member = members_.find(id);
  if (member != nullptr && view_.find(id) == nullptr) {
    view_ = view_.with(with_blocked(*member, false));
  }
}

void Topology::update_blocks(const std::vector<NodeId>& ids, const Blocked& blocked,
                             TopologyChange& change) {
  for (const NodeId& id : ids) {
    const Member* known = members_.find(id);
    if (known == nullptr) continue;
    const bool now_blocked = blocked(id, known->node->incarnation);
    if (now_blocked == known->blocked) continue;
    Member member = with_blocked(*known, now_blocked);
    change.changed.push_back({*known, member});
    members_ = members_.with(std::move(member));
  }
  change.sort();
}

}  // namespace rollcall
