// A member of the cluster, as every part of Rollcall sees it (SPEC 1).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/ids.h"

namespace rollcall {

// The numbers are part of the canonical bytes (SPEC 4) and of the wire: frozen.
enum class NodeStatus : std::uint8_t {
  Ready = 1,
  Draining = 2,  // still serving, leaving
  NotReady = 3,  // a member that fails its checks
};
inline constexpr int kNodeStatusCount = 3;

std::string_view to_string(NodeStatus status);  // "READY", "DRAINING", "NOT_READY"
std::optional<NodeStatus> node_status_from_string(std::string_view name);

// The label or meta key by which a node declares which life it is in.
inline constexpr std::string_view kIncarnationKey = "rollcall-incarnation";

struct ClusterNode {
  NodeId id;
  std::string host;  // IP address or DNS name, no brackets, no port
  std::uint16_t port = 0;
  std::string zone;                           // may be empty
  std::map<std::string, std::string> labels;  // sorted by key, as the canonical bytes want them
  std::uint32_t weight = 1;
  NodeStatus status = NodeStatus::Ready;
  std::string incarnation;  // empty: not declared; the known one is kept (SPEC 1)
  friend bool operator==(const ClusterNode&, const ClusterNode&) = default;
};

// All the ways in which `node` breaks limits.h or is not valid UTF-8; `field` prefixes the paths
// ("members[3]"). Empty: it is fine.
std::vector<Problem> validate_node(const ClusterNode& node, std::string_view field);

// A member in a topology: the node, whether this sidecar blocks it, and the hash of both.
// Made by make_member() (core/codec/canonical.h) so that `hash` is always right.
struct Member {
  std::shared_ptr<const ClusterNode> node;  // never null
  bool blocked = false;
  std::uint64_t hash = 0;  // XXH64 of the canonical bytes (SPEC 4)

  const NodeId& id() const { return node->id; }
  friend bool operator==(const Member& a, const Member& b) {
    return a.hash == b.hash && a.blocked == b.blocked && (a.node == b.node || *a.node == *b.node);
  }
};

}  // namespace rollcall
