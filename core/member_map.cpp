#include "core/member_map.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace rollcall {

struct MemberMap::Node {
  Member member;
  std::shared_ptr<const Node> left;
  std::shared_ptr<const Node> right;
  std::uint64_t hash;  // this and the following: of the whole subtree
  std::uint32_t size;
  std::array<std::uint32_t, kNodeStatusCount> by_status;
  std::uint32_t blocked;
  std::uint8_t height;
};

namespace {

using Node = MemberMap::Node;
using NodePtr = std::shared_ptr<const Node>;

int height(const NodePtr& node) { return node ? node->height : 0; }

void add_subtree(Node& to, const NodePtr& child) {
  if (!child) return;
  to.hash += child->hash;
  to.size += child->size;
  for (std::size_t i = 0; i < to.by_status.size(); ++i) to.by_status[i] += child->by_status[i];
  to.blocked += child->blocked;
}

NodePtr make_node(Member member, NodePtr left, NodePtr right) {
  auto node = std::make_shared<Node>();
  const auto status = static_cast<std::size_t>(member.node->status) - 1;
  node->hash = member.hash;
  node->size = 1;
  node->by_status = {};
  if (status < node->by_status.size()) node->by_status[status] = 1;
  node->blocked = member.blocked ? 1 : 0;
  node->height = static_cast<std::uint8_t>(1 + std::max(height(left), height(right)));
  add_subtree(*node, left);
  add_subtree(*node, right);
  node->member = std::move(member);
  node->left = std::move(left);
  node->right = std::move(right);
  return node;
}

// Puts `member` between two trees whose heights differ by at most two, with at most two rotations.
NodePtr balance(const Member& member, NodePtr left, NodePtr right) {
  const int hl = height(left);
  const int hr = height(right);
  if (hl > hr + 1) {
    const NodePtr& inner = left->right;
    if (height(left->left) >= height(inner)) {
      return make_node(left->member, left->left, make_node(member, inner, std::move(right)));
    }
    return make_node(inner->member, make_node(left->member, left->left, inner->left),
                     make_node(member, inner->right, std::move(right)));
  }
  if (hr > hl + 1) {
    const NodePtr& inner = right->left;
    if (height(right->right) >= height(inner)) {
      return make_node(right->member, make_node(member, std::move(left), inner), right->right);
    }
    return make_node(inner->member, make_node(member, std::move(left), inner->left),
                     make_node(right->member, inner->right, right->right));
  }
  return make_node(member, std::move(left), std::move(right));
}

NodePtr insert(const NodePtr& node, Member&& member) {
  if (!node) return make_node(std::move(member), nullptr, nullptr);
  const auto order = member.id() <=> node->member.id();
  if (order < 0) return balance(node->member, insert(node->left, std::move(member)), node->right);
  if (order > 0) return balance(node->member, node->left, insert(node->right, std::move(member)));
  return make_node(std::move(member), node->left, node->right);
}

const Node& leftmost(const Node& node) {
  const Node* at = &node;
  while (at->left) at = at->left.get();
  return *at;
}

NodePtr without_leftmost(const NodePtr& node) {
  if (!node->left) return node->right;
  return balance(node->member, without_leftmost(node->left), node->right);
}

// `id` is known to be in it.
NodePtr erase(const NodePtr& node, const NodeId& id) {
  const auto order = id <=> node->member.id();
  if (order < 0) return balance(node->member, erase(node->left, id), node->right);
  if (order > 0) return balance(node->member, node->left, erase(node->right, id));
  if (!node->left) return node->right;
  if (!node->right) return node->left;
  return balance(leftmost(*node->right).member, node->left, without_leftmost(node->right));
}

NodePtr build(std::vector<Member>& sorted, std::size_t begin, std::size_t end) {
  if (begin == end) return nullptr;
  const std::size_t middle = begin + (end - begin) / 2;
  NodePtr left = build(sorted, begin, middle);
  NodePtr right = build(sorted, middle + 1, end);
  return make_node(std::move(sorted[middle]), std::move(left), std::move(right));
}

void visit(const Node* node, const std::function<void(const Member&)>& fn) {
  for (; node != nullptr; node = node->right.get()) {
    visit(node->left.get(), fn);
    fn(node->member);
  }
}

// What of a tree is still to be compared, in order, the next piece on top: whole subtrees and
// single members. Subtrees are opened only as far as needed, so that shared ones are met unopened.
class Pending {
 public:
  explicit Pending(const Node* root) { push(root); }

  bool done() const { return stack_.empty(); }
  // The subtree on top; null when a single member is.
  const Node* subtree() const { return stack_.back().whole ? stack_.back().node : nullptr; }
  const Member& member() const { return stack_.back().node->member; }
  void pop() { stack_.pop_back(); }
  void open() {
    const Node* node = stack_.back().node;
    stack_.pop_back();
    push(node->right.get());
    stack_.push_back({node, false});
    push(node->left.get());
  }

 private:
  struct Piece {
    const Node* node;
    bool whole;
  };
  void push(const Node* node) {
    if (node != nullptr) stack_.push_back({node, true});
  }
  std::vector<Piece> stack_;
};

// Opens the taller of two subtrees on top, both if they are level: a subtree that the versions
// share and that sits deeper in one of them is then reached before it would be opened in the other.
void open_taller(Pending& a, Pending& b) {
  const Node* x = a.subtree();
  const Node* y = b.subtree();
  const int hx = x != nullptr ? x->height : 0;
  const int hy = y != nullptr ? y->height : 0;
  if (hx >= hy) a.open();
  if (hy >= hx) b.open();
}

void rest(Pending& pending, std::vector<Member>& out) {
  while (!pending.done()) {
    if (pending.subtree() != nullptr) {
      pending.open();
    } else {
      out.push_back(pending.member());
      pending.pop();
    }
  }
}

}  // namespace

MemberMap MemberMap::from(std::vector<Member> members) {
  const auto by_id = [](const Member& a, const Member& b) { return a.id() < b.id(); };
  if (!std::is_sorted(members.begin(), members.end(), by_id)) {
    std::stable_sort(members.begin(), members.end(), by_id);
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (i + 1 < members.size() && members[i].id() == members[i + 1].id()) continue;
    if (kept != i) members[kept] = std::move(members[i]);
    ++kept;
  }
  return MemberMap(build(members, 0, kept));
}

std::size_t MemberMap::size() const { return root_ ? root_->size : 0; }

std::uint64_t MemberMap::hash() const { return root_ ? root_->hash : 0; }

std::array<std::size_t, kNodeStatusCount> MemberMap::count_by_status() const {
  std::array<std::size_t, kNodeStatusCount> counts{};
  if (!root_) return counts;
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = root_->by_status[i];
  return counts;
}

std::size_t MemberMap::blocked_count() const { return root_ ? root_->blocked : 0; }

const Member* MemberMap::find(const NodeId& id) const {
  const Node* node = root_.get();
  while (node != nullptr) {
    const auto order = id <=> node->member.id();
    if (order == 0) return &node->member;
    node = order < 0 ? node->left.get() : node->right.get();
  }
  return nullptr;
}

MemberMap MemberMap::with(Member member) const {
  if (!member.node) std::abort();  // see Member: never null
  return MemberMap(insert(root_, std::move(member)));
}

MemberMap MemberMap::without(const NodeId& id) const {
  if (find(id) == nullptr) return *this;
  return MemberMap(erase(root_, id));
}

void MemberMap::for_each(const std::function<void(const Member&)>& fn) const {
  visit(root_.get(), fn);
}

std::vector<Member> MemberMap::to_vector() const {
  std::vector<Member> out;
  out.reserve(size());
  for_each([&](const Member& member) { out.push_back(member); });
  return out;
}

MemberMap::Difference MemberMap::diff(const MemberMap& from, const MemberMap& to) {
  Difference out;
  Pending a(from.root_.get());
  Pending b(to.root_.get());
  while (!a.done() && !b.done()) {
    if (a.subtree() != nullptr && a.subtree() == b.subtree()) {
      a.pop();
      b.pop();
    } else if (a.subtree() != nullptr || b.subtree() != nullptr) {
      open_taller(a, b);
    } else {
      const auto order = a.member().id() <=> b.member().id();
      if (order == 0 && !(a.member() == b.member()))
        out.changed.push_back({a.member(), b.member()});
      if (order < 0) out.removed.push_back(a.member());
      if (order > 0) out.added.push_back(b.member());
      if (order <= 0) a.pop();
      if (order >= 0) b.pop();
    }
  }
  rest(a, out.removed);
  rest(b, out.added);
  return out;
}

}  // namespace rollcall
