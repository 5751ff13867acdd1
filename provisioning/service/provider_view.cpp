#include "provisioning/service/provider_view.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/codec/canonical.h"
#include "core/limits.h"

namespace rollcall {
namespace {

// Beyond this share of the members, building the tree anew is cheaper than changing it node by
// node.
constexpr std::size_t kRebuildShare = 8;

struct Edit {
  std::vector<Member> upserts;
  std::vector<NodeId> removals;
  std::size_t size() const { return upserts.size() + removals.size(); }
};

// Collects what is wrong with an answer; keeps the first problems and counts all.
class AnswerCheck {
 public:
  void duplicate(const ClusterNode& node) {
    add({"members", node.id.str().substr(0, limits::kMaxProblemValueBytes),
         "each member id once in an answer"});
  }
  void check(const ClusterNode& node) {
    for (Problem& p : validate_node(node, "members[" + node.id.str().substr(0, 64) + "]"))
      add(std::move(p));
  }
  Result<void> result() {
    if (problems_.empty()) return {};
    auto error = fail(ErrorCode::MalformedResponse, "the backend's answer has bad members",
                      std::move(problems_));
    error.value().total_problems = total_;
    return error;
  }

 private:
  void add(Problem p) {
    ++total_;
    if (problems_.size() < limits::kMaxProblems) problems_.push_back(std::move(p));
  }
  std::vector<Problem> problems_;
  std::uint32_t total_ = 0;
};

Member to_member(ClusterNode&& node) {
  return make_member(std::make_shared<const ClusterNode>(std::move(node)), false);
}

void sort_by_id(std::vector<ClusterNode>& nodes) {
  auto less = [](const ClusterNode& a, const ClusterNode& b) { return a.id < b.id; };
  // Backends that answer in a stable order cost one pass.
  if (!std::is_sorted(nodes.begin(), nodes.end(), less))
    std::sort(nodes.begin(), nodes.end(), less);
}

// `nodes` is sorted. Names every second node of one id.
void check_duplicates(const std::vector<ClusterNode>& nodes, AnswerCheck& check) {
  for (std::size_t i = 1; i < nodes.size(); ++i)
    if (nodes[i].id == nodes[i - 1].id) check.duplicate(nodes[i]);
}

// What leads from `old` to the sorted `nodes`, which are moved from where they differ. Only nodes
// that differ are checked: the others were when they came.
Edit difference(const MemberMap& old, std::vector<ClusterNode>& nodes, AnswerCheck& check) {
  Edit edit;
  std::size_t at = 0;
  auto take = [&](ClusterNode& node) {
    check.check(node);
    edit.upserts.push_back(to_member(std::move(node)));
  };
  old.for_each([&](const Member& before) {
    while (at < nodes.size() && nodes[at].id < before.id()) take(nodes[at++]);
    if (at == nodes.size() || before.id() < nodes[at].id) {
      edit.removals.push_back(before.id());
      return;
    }
    ClusterNode& now = nodes[at++];
    if (!(now == *before.node)) take(now);
  });
  while (at < nodes.size()) take(nodes[at++]);
  return edit;
}

MemberMap apply_edit(const MemberMap& old, Edit edit) {
  if (edit.size() < old.size() / kRebuildShare) {
    MemberMap next = old;
    for (const NodeId& id : edit.removals) next = next.without(id);
    for (Member& m : edit.upserts) next = next.with(std::move(m));
    return next;
  }
  std::sort(edit.removals.begin(), edit.removals.end());
  std::vector<Member> all;
  all.reserve(old.size() + edit.upserts.size());
  old.for_each([&](const Member& m) {
    if (!std::binary_search(edit.removals.begin(), edit.removals.end(), m.id())) all.push_back(m);
  });
  // Of two with one id the later wins: the upserts replace.
  for (Member& m : edit.upserts) all.push_back(std::move(m));
  return MemberMap::from(std::move(all));
}

Result<void> check_count(std::size_t count) {
  if (count <= limits::kMaxMembers) return {};
  return fail(ErrorCode::LimitExceeded, "the backend answered " + std::to_string(count) +
                                            " members; at most " +
                                            std::to_string(limits::kMaxMembers) + " are accepted");
}

}  // namespace

Result<void> ProviderView::apply(ProviderSnapshot& answer) {
  if (auto fits = check_count(answer.members.size()); !fits) return fits;
  AnswerCheck check;
  sort_by_id(answer.members);
  check_duplicates(answer.members, check);
  if (auto ok = check.result(); !ok) return ok;
  Edit edit = difference(members_, answer.members, check);
  if (auto ok = check.result(); !ok) return ok;
  if (edit.size() > 0) members_ = apply_edit(members_, std::move(edit));
  has_snapshot_ = true;
  return {};
}

Result<void> ProviderView::apply(ChangeAnswer& answer) {
  if (!has_snapshot_)
    return fail(ErrorCode::MalformedResponse,
                "the stream began with a change, not with a snapshot");
  AnswerCheck check;
  sort_by_id(answer.upserts);
  check_duplicates(answer.upserts, check);
  if (auto ok = check.result(); !ok) return ok;
  Edit edit;
  for (ClusterNode& node : answer.upserts) {
    const Member* known = members_.find(node.id);
    if (known != nullptr && *known->node == node) continue;
    check.check(node);
    edit.upserts.push_back(to_member(std::move(node)));
  }
  if (auto ok = check.result(); !ok) return ok;
  for (NodeId& id : answer.removals)
    if (members_.find(id) != nullptr) edit.removals.push_back(std::move(id));
  if (edit.size() == 0) return {};
  MemberMap next = apply_edit(members_, std::move(edit));
  if (auto fits = check_count(next.size()); !fits) return fits;
  members_ = std::move(next);
  return {};
}

}  // namespace rollcall
