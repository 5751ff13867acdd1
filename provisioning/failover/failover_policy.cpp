#include "provisioning/failover/failover_policy.h"

namespace rollcall {

std::string_view to_string(TopologyMode mode) {
  return mode == TopologyMode::Merge ? "merge" : "failover";
}

std::string_view to_string(MergeIdentity identity) {
  return identity == MergeIdentity::Address ? "address" : "id";
}

std::optional<TopologyMode> topology_mode_from_string(std::string_view name) {
  if (name == "failover") return TopologyMode::Failover;
  if (name == "merge") return TopologyMode::Merge;
  return std::nullopt;
}

std::optional<MergeIdentity> merge_identity_from_string(std::string_view name) {
  if (name == "id") return MergeIdentity::Id;
  if (name == "address") return MergeIdentity::Address;
  return std::nullopt;
}

}  // namespace rollcall
