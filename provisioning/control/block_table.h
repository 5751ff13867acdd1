// BlockTable: the nodes that remoting quarantined (SPEC 6). A block belongs to (id, incarnation),
// is durable before its call answers, survives failover, restart and absence, and is local to this
// sidecar.
//
// Threads: a value.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/ids.h"
#include "core/time.h"

namespace rollcall {

struct Block {
  NodeId node;
  std::string incarnation;  // empty: not known; the first known one that joins is meant
  WallTime expires_at{};    // for the file: 24 h after the report, survives a restart
  MonoTime expires_mono{};  // what decides while running; set at Start from expires_at
  bool recovering = false;  // reported recovered: unblocked by the next refresh (R4.4)
  MonoTime recovered_at{};  // the refresh's read must have begun after this
  friend bool operator==(const Block&, const Block&) = default;
};

using BlockTable = std::map<NodeId, Block>;

}  // namespace rollcall
