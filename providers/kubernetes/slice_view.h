// SliceView: the members that the slices of a service come to, kept up to date slice by slice.
//
// Their union: an endpoint that is in several slices (while the control plane moves it; for each
// address family of a pod that has both) is one member, recognised by its target: the live one,
// then the preferred address type, then the first slice's by name. Two targets with one id are an
// error, unless all but one are terminating: then a replacement has taken the place of one that is
// leaving.
//
// Threads: belongs to one. Pure: no clock, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/error.h"
#include "core/node.h"
#include "providers/kubernetes/kubernetes_answer.h"

namespace rollcall {

struct MemberChange {
  std::vector<ClusterNode> upserts;  // by id
  std::vector<NodeId> removals;      // by id
  bool empty() const { return upserts.empty() && removals.empty(); }
};

class SliceView {
 public:
  // All slices there are. LIMIT_EXCEEDED: the view is unchanged.
  Result<void> assign(std::vector<EndpointSlice> slices);
  void upsert(EndpointSlice slice);
  void remove(std::string_view name);

  // What has changed since the last call that answered; from then on it counts as told.
  // MALFORMED_RESPONSE (two members with one id), LIMIT_EXCEEDED: nothing counts as told.
  Result<MemberChange> take_change();
  // All members, as the last take_change() left them.
  std::vector<ClusterNode> members() const;

  bool touched() const { return !touched_.empty(); }
  std::size_t slices() const { return slices_.size(); }

  // Whether the list that this is the head of shows nothing that the view lacks, `seen` being the
  // newest version that the view has heard of.
  bool covers(const SliceHead& head, std::string_view seen) const;
  // Whether the list knows a slice in an older version than the view does.
  bool is_newer_than(const SliceHead& head) const;
  bool is_newer_than(const std::vector<EndpointSlice>& list) const;

 private:
  bool has_newer(const std::string& name, std::string_view version) const;
  struct Entry {
    const EndpointSlice* slice;
    const SliceEndpoint* endpoint;
  };
  using Entries = std::vector<Entry>;

  void link(const EndpointSlice& slice);
  void unlink(const EndpointSlice& slice);
  const SliceEndpoint* winner(const std::string& target) const;
  Result<const ClusterNode*> member(const std::string& id) const;

  std::map<std::string, EndpointSlice, std::less<>> slices_;  // by name
  std::unordered_map<std::string, Entries> by_target_;
  std::unordered_map<std::string, Entries> by_id_;
  std::size_t endpoints_ = 0;
  std::unordered_set<std::string> touched_;              // ids whose member may have changed
  std::unordered_map<std::string, std::uint64_t> told_;  // id to the hash of the member told
};

}  // namespace rollcall
