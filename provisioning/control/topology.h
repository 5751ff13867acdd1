// Topology: the members that consumers are told of, and how they follow the active provider's view.
//
// They differ from the view in what only this sidecar knows: which members are blocked, the
// incarnation of a node that stopped declaring it, and the members whose removal the leave guard
// holds. Following costs O(changes · log n) when the views share structure, as one provider's do.
//
// Threads: a value, used by the writer only.
#pragma once

#include <cstddef>
#include <functional>
#include <vector>

#include "core/ids.h"
#include "core/member_map.h"
#include "core/node.h"

namespace rollcall {

// What one step does to the topology. A node in another incarnation is in `left` and in `joined`.
struct TopologyChange {
  std::vector<Member> left;  // as they were
  std::vector<Member> joined;
  std::vector<MemberMap::Difference::Change> changed;
  bool empty() const { return left.empty() && joined.empty() && changed.empty(); }
  void sort();  // each part by id
};

class Topology {
 public:
  // Whether (id, incarnation) is blocked.
  using Blocked = std::function<bool(const NodeId&, const std::string& incarnation)>;
  // Whether `count` members may be removed now; if not, they stay.
  using MayRemove = std::function<bool(std::size_t count)>;

  const MemberMap& members() const { return members_; }
  const MemberMap& view() const { return view_; }  // the one followed last

  // The cached topology of an earlier run.
  void restore(const MemberMap& cached, const Blocked& blocked);

  struct Followed {
    TopologyChange change;
    std::vector<NodeId> kept;      // `may_remove` said no: still members, though not in the view
    std::vector<NodeId> returned;  // in the view, and not in the one before
  };
  Followed follow(const MemberMap& view, const Blocked& blocked, const MayRemove& may_remove);

  // Removes a member that the view lacks (a held removal that was released).
  void remove(const NodeId& id, TopologyChange& change);
  // A held removal was dropped: the next answer that lacks the node removes it anew.
  void forget_removal(const NodeId& id);
  // The blocks of these nodes may have changed.
  void update_blocks(const std::vector<NodeId>& ids, const Blocked& blocked,
                     TopologyChange& change);

 private:
  void put(const Member& seen, const Blocked& blocked, TopologyChange& change);

  MemberMap view_;
  MemberMap members_;
};

}  // namespace rollcall
