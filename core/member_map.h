// MemberMap: an immutable map of members, sorted by id, whose versions share structure.
//
// What it is for: a provider's view, the topology, and every snapshot in flight are versions of the
// same 100,000 members that differ in one. Copying a MemberMap is one reference count; changing one
// member makes O(log n) new tree nodes; comparing two versions costs O(changes · log n), because
// shared subtrees are skipped by their address. Size, hash and the number of members in each status
// are kept in every subtree, so reading them is O(1) (DESIGN "Costs follow the change").
//
// A height-balanced (AVL) tree with path copying, and not a treap or a hash trie, because its depth
// is bounded whatever ids a hostile backend invents.
//
// Threads: a value; const access from any number of threads at once is safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/ids.h"
#include "core/node.h"

namespace rollcall {

class MemberMap {
 public:
  MemberMap() = default;  // empty; hash 0

  // `members` in any order. Of two with one id the later wins: callers that must refuse duplicates
  // (SPEC 3) look for them before.
  static MemberMap from(std::vector<Member> members);

  std::size_t size() const;
  bool empty() const { return size() == 0; }
  std::uint64_t hash() const;  // sum of member hashes modulo 2^64 (SPEC 4)
  // Members by status, indexed by static_cast<int>(status) - 1.
  std::array<std::size_t, kNodeStatusCount> count_by_status() const;
  std::size_t blocked_count() const;

  const Member* find(const NodeId& id) const;  // null: absent. Valid as long as this version lives.
  MemberMap with(Member member) const;         // inserted or replaced
  MemberMap without(const NodeId& id) const;   // unchanged if absent

  // In order of ids. `fn` must not keep the reference beyond the version's life.
  void for_each(const std::function<void(const Member&)>& fn) const;
  std::vector<Member> to_vector() const;

  struct Difference {
    std::vector<Member> added;
    std::vector<Member> removed;
    struct Change {
      Member before;
      Member after;
    };
    std::vector<Change> changed;  // same id, content differs
    bool empty() const { return added.empty() && removed.empty() && changed.empty(); }
  };
  // What leads from `from` to `to`, each part sorted by id.
  static Difference diff(const MemberMap& from, const MemberMap& to);

  // Same version (address), not same content: O(1).
  bool same_version(const MemberMap& other) const { return root_ == other.root_; }

  struct Node;  // private to member_map.cpp
 private:
  explicit MemberMap(std::shared_ptr<const Node> root) : root_(std::move(root)) {}
  std::shared_ptr<const Node> root_;
};

}  // namespace rollcall
