// What a plug-in's messages mean: members, checked one by one; snapshots put together from their
// chunks; failures (proto/rollcall/v1/plugin.proto has the rules). Pure, without gRPC.
//
// Threads: functions any; an assembler belongs to one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "core/error.h"
#include "core/node.h"
#include "core/provider.h"
#include "rollcall/v1/plugin.pb.h"

namespace rollcall {

// MALFORMED_RESPONSE with every problem of the node; `where` prefixes them ("members[3]").
Result<ClusterNode> node_from_plugin(const v1::Node& message, std::string_view where);

// What node_from_plugin() reads back.
v1::Node node_to_plugin(const ClusterNode& node);

// The failure as the stream's own. A code that the protocol does not know is MALFORMED_RESPONSE.
ProvisioningError failure_from_plugin(const v1::PluginFailure& message);

// What a peer wrote, for a person: printable and bounded.
std::string plugin_text(std::string_view text, std::size_t max_bytes);

// Puts chunks together: in order, without gaps, no id twice, within the limits.
class SnapshotAssembler {
 public:
  struct Complete {
    std::vector<ClusterNode> members;
    std::string backend_index;
    std::uint64_t history = 0;
  };

  // The whole list when this was the last chunk. `bytes` is the chunk's size on the wire.
  // MALFORMED_RESPONSE or LIMIT_EXCEEDED; the assembler is of no more use then.
  Result<std::optional<Complete>> add(const v1::PluginSnapshotChunk& chunk, std::size_t bytes);
  // Between chunk 0 and the last one.
  bool in_progress() const { return next_chunk_ != 0; }

 private:
  std::uint32_t next_chunk_ = 0;
  std::size_t bytes_ = 0;
  std::vector<ClusterNode> members_;
  std::unordered_set<std::string> ids_;
};

// MALFORMED_RESPONSE: a bad node, an id that comes twice, joins and leaves at once, or is none.
Result<ChangeAnswer> change_from_plugin(const v1::PluginChange& message);

// What a plug-in agreed to.
struct PluginIdentity {
  std::string name;     // printable
  std::string version;  // printable
  bool watch = false;
  bool announce = false;
};
// CAPABILITY_MISSING: a version that was not offered, or attestations too far apart;
// MALFORMED_RESPONSE: a name that can't be shown.
Result<PluginIdentity> identity_from_plugin(const v1::HandshakeResponse& message,
                                            std::int64_t attest_ms);

}  // namespace rollcall
