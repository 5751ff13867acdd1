#include "providers/kubernetes/slice_view.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/codec/canonical.h"
#include "core/limits.h"
#include "core/text.h"
#include "providers/kubernetes/limits.h"

namespace rollcall {
namespace {

bool older(std::string_view a, std::string_view b) {
  const auto order = compare_versions(a, b);
  return order ? *order < 0 : a != b;
}

bool newer(std::string_view a, std::string_view b) {
  const auto order = compare_versions(a, b);
  return order && *order > 0;
}

template <class Map, class Entry>
void take_out(Map& map, const std::string& key, const Entry& entry) {
  const auto found = map.find(key);
  if (found == map.end()) return;
  std::erase_if(found->second, [&](const Entry& e) { return e.endpoint == entry.endpoint; });
  if (found->second.empty()) map.erase(found);
}

}  // namespace

Result<void> SliceView::assign(std::vector<EndpointSlice> slices) {
  std::size_t endpoints = 0;
  for (const EndpointSlice& slice : slices) endpoints += slice.endpoints.size();
  if (slices.size() > limits::kKubernetesSlices || endpoints > limits::kKubernetesEndpoints) {
    return fail(ErrorCode::LimitExceeded,
                "the service has too many endpoints: " + std::to_string(endpoints) + " in " +
                    std::to_string(slices.size()) + " slices");
  }
  for (const auto& [id, entries] : by_id_) touched_.insert(id);
  for (const auto& [id, hash] : told_) touched_.insert(id);
  by_target_.clear();
  by_id_.clear();
  slices_.clear();
  endpoints_ = 0;
  for (EndpointSlice& slice : slices) upsert(std::move(slice));
  return {};
}

void SliceView::upsert(EndpointSlice slice) {
  auto at = slices_.find(slice.name);
  if (at == slices_.end()) {
    const std::string name = slice.name;
    at = slices_.emplace(name, std::move(slice)).first;
  } else {
    unlink(at->second);
    at->second = std::move(slice);
  }
  link(at->second);
}

void SliceView::remove(std::string_view name) {
  const auto at = slices_.find(name);
  if (at == slices_.end()) return;
  unlink(at->second);
  slices_.erase(at);
}

// Of every target of the slice, all ids are touched: when another of its endpoints wins, the member
// may get another id.
void SliceView::link(const EndpointSlice& slice) {
  endpoints_ += slice.endpoints.size();
  for (const SliceEndpoint& endpoint : slice.endpoints) {
    Entries& same = by_target_[endpoint.target];
    same.push_back({&slice, &endpoint});
    by_id_[endpoint.node.id.str()].push_back({&slice, &endpoint});
    for (const Entry& entry : same) touched_.insert(entry.endpoint->node.id.str());
  }
}

void SliceView::unlink(const EndpointSlice& slice) {
  endpoints_ -= slice.endpoints.size();
  for (const SliceEndpoint& endpoint : slice.endpoints) {
    const Entry entry{&slice, &endpoint};
    for (const Entry& other : by_target_[endpoint.target]) {
      touched_.insert(other.endpoint->node.id.str());
    }
    take_out(by_target_, endpoint.target, entry);
    take_out(by_id_, endpoint.node.id.str(), entry);
  }
}

// Among a target's endpoints.
const SliceEndpoint* SliceView::winner(const std::string& target) const {
  const auto found = by_target_.find(target);
  if (found == by_target_.end()) return nullptr;
  const auto rank = [](const Entry& e) {
    // Ready is 1, Draining 2, NotReady 3; within one slice the first stays first.
    return std::tuple(static_cast<int>(e.endpoint->node.status), e.slice->type,
                      std::string_view(e.slice->name), e.endpoint);
  };
  const auto best =
      std::min_element(found->second.begin(), found->second.end(),
                       [&](const Entry& a, const Entry& b) { return rank(a) < rank(b); });
  return best->endpoint;
}

// Null: nobody has the id.
Result<const ClusterNode*> SliceView::member(const std::string& id) const {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return nullptr;
  const SliceEndpoint* live = nullptr;
  const SliceEndpoint* leaving = nullptr;
  for (const Entry& entry : found->second) {
    const SliceEndpoint* endpoint = entry.endpoint;
    if (winner(endpoint->target) != endpoint) continue;
    if (!endpoint->terminating && live != nullptr) {
      return fail(ErrorCode::MalformedResponse,
                  "two endpoints have the id " + printable(id, 128) + " (" +
                      printable(live->target, 128) + " and " + printable(endpoint->target, 128) +
                      "): watch_params.id must name something unique in the service");
    }
    if (!endpoint->terminating) {
      live = endpoint;
    } else if (leaving == nullptr ||
               std::tuple(leaving->node.status, std::string_view(leaving->target)) >
                   std::tuple(endpoint->node.status, std::string_view(endpoint->target))) {
      leaving = endpoint;
    }
  }
  const SliceEndpoint* chosen = live != nullptr ? live : leaving;
  return chosen == nullptr ? nullptr : &chosen->node;
}

Result<MemberChange> SliceView::take_change() {
  if (endpoints_ > limits::kKubernetesEndpoints || slices_.size() > limits::kKubernetesSlices) {
    return fail(ErrorCode::LimitExceeded, "the service has too many endpoints");
  }
  std::vector<std::string> ids(touched_.begin(), touched_.end());
  std::sort(ids.begin(), ids.end());
  MemberChange change;
  std::vector<std::uint64_t> hashes;  // of the upserts
  std::size_t joined = 0;
  for (const std::string& id : ids) {
    auto now = member(id);
    if (!now) return tl::unexpected(std::move(now.error()));
    const auto told = told_.find(id);
    if (*now == nullptr) {
      if (told != told_.end()) change.removals.emplace_back(id);
      continue;
    }
    const std::uint64_t hash = member_hash(**now, false);
    if (told != told_.end() && told->second == hash) continue;
    joined += told == told_.end();
    change.upserts.push_back(**now);
    hashes.push_back(hash);
  }
  if (told_.size() + joined - change.removals.size() > limits::kMaxMembers) {
    return fail(ErrorCode::LimitExceeded,
                "the service has more than " + std::to_string(limits::kMaxMembers) + " members");
  }
  for (const NodeId& id : change.removals) told_.erase(id.str());
  for (std::size_t i = 0; i < hashes.size(); ++i) told_[change.upserts[i].id.str()] = hashes[i];
  touched_.clear();
  return change;
}

std::vector<ClusterNode> SliceView::members() const {
  std::vector<ClusterNode> all;
  all.reserve(told_.size());
  for (const auto& [id, hash] : told_) {
    const auto now = member(id);
    if (now && *now != nullptr) all.push_back(**now);
  }
  return all;
}

bool SliceView::has_newer(const std::string& name, std::string_view version) const {
  const auto found = slices_.find(name);
  return found != slices_.end() && newer(found->second.version, version);
}

bool SliceView::is_newer_than(const SliceHead& head) const {
  return !head.first.empty() && has_newer(head.first, head.first_version);
}

bool SliceView::is_newer_than(const std::vector<EndpointSlice>& list) const {
  return std::any_of(list.begin(), list.end(), [this](const EndpointSlice& slice) {
    return has_newer(slice.name, slice.version);
  });
}

bool SliceView::covers(const SliceHead& head, std::string_view seen) const {
  const auto order = compare_versions(seen, head.version);
  if (order && *order >= 0) return true;  // the view is at least as new as the list
  if (!head.first.empty()) {
    const auto found = slices_.find(head.first);
    if (found == slices_.end() || older(found->second.version, head.first_version)) return false;
  }
  if (head.more) return true;  // the rest is not shown
  // Whatever else the view has must have come after the list.
  return std::all_of(slices_.begin(), slices_.end(), [&](const auto& named) {
    return named.first == head.first || newer(named.second.version, head.version);
  });
}

}  // namespace rollcall
