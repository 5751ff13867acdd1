// ClusterNode ⇄ JSON: the member list of the file provider, of state files and of /v1/topology.
//
//   [{"id":"n1","host":"10.0.0.1","port":7000,"zone":"a","labels":{"k":"v"},"weight":1,
//     "status":"READY","incarnation":"7"}]            or {"members":[…]}
//
// id and host are required; a label `rollcall-incarnation` gives the incarnation if the field is
// absent. Statuses are READY, DRAINING, NOT_READY, in any case and with - for _. A number as zone,
// incarnation or label is taken as text, because YAML makes numbers of what people mean as text.
// Pure functions, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/codec/json_value.h"
#include "core/codec/json_writer.h"
#include "core/codec/object_reader.h"
#include "core/node.h"

namespace rollcall {

// Reads one, adds its problems (validate_node() included). `path` prefixes ("members[3]").
ClusterNode read_node(const JsonValue& value, const std::string& path, ProblemList& problems);

// Two members with one id are a problem (SPEC 3), and so are more than limits::kMaxMembers.
std::vector<ClusterNode> read_node_list(const JsonValue& value, ProblemList& problems);

// A member file, YAML or JSON. Errors carry read_limits.code.
Result<std::vector<ClusterNode>> parse_node_list(std::string_view text,
                                                 const ReadLimits& read_limits);

// `fields` writes the members into an object that is already open.
void write_node_fields(const ClusterNode& node, JsonWriter& writer);
void write_node(const ClusterNode& node, JsonWriter& writer);
Result<std::string> nodes_to_json(const std::vector<ClusterNode>& nodes, int indent = 0);

}  // namespace rollcall
