// `rollcall members`, `member show`, `watch` and `events`: members, and one line an event.
//
// Pure functions, any thread.
#pragma once

#include <string>

#include "bridges/client/replica/topology_replica.h"
#include "core/error.h"
#include "rollcall/v1/admin.pb.h"
#include "rollcall/v1/events.pb.h"

namespace rollcall::cli {

std::string members_text(const client::TopologyView& view);
// The document of GET /v1/topology.
Result<std::string> members_json(const client::TopologyView& view);

// One node: as consumers know it, and as each provider that lists it has it.
std::string member_text(const v1::GetMemberResponse& member);
Result<std::string> member_json(const v1::GetMemberResponse& member);

// A line without its end: "1099511627777  delta  +n3 -n1 ~n2  (3 events…)".
std::string event_text(const v1::ClusterEvent& event);
// One JSON object on one line: seq_no, epoch, snapshot_hash, observed_at_unix_ms and event, then
// the fields of that event. 64-bit numbers are strings.
Result<std::string> event_json(const v1::ClusterEvent& event);

std::string operator_event_text(const v1::OperatorEvent& event);
Result<std::string> operator_event_json(const v1::OperatorEvent& event);

}  // namespace rollcall::cli
