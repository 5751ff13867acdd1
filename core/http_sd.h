// The names by which a member is written in the Prometheus http_sd format: the contract between
// what serves it (bridges/http, GET /v1/http_sd) and what reads it (providers/http), so that a
// member that went through both is the same member.
//
//   [{"targets":["10.0.0.1:7000"],"labels":{"__meta_rollcall_id":"n1", …}}]
//
// Label names of Prometheus are [a-zA-Z_][a-zA-Z0-9_]*, and it refuses a whole list for one that is
// not; values are any text. Names with the prefix __meta_ are dropped by Prometheus after
// relabelling.
#pragma once

#include <string_view>

namespace rollcall::http_sd {

inline constexpr std::string_view kPrefix = "__meta_rollcall_";  // reserved, all of it
inline constexpr std::string_view kId = "__meta_rollcall_id";
inline constexpr std::string_view kZone = "__meta_rollcall_zone";
inline constexpr std::string_view kWeight = "__meta_rollcall_weight";  // decimal
inline constexpr std::string_view kStatus = "__meta_rollcall_status";  // READY, DRAINING, NOT_READY
inline constexpr std::string_view kIncarnation = "__meta_rollcall_incarnation";
// "true": this sidecar blocks the member. It is served all the same, and not read back: a block is
// local to the sidecar that was told of it (SPEC 6).
inline constexpr std::string_view kBlocked = "__meta_rollcall_blocked";
// + a member's label, with every character that Prometheus does not allow replaced by _.
inline constexpr std::string_view kLabelPrefix = "__meta_rollcall_label_";
// All labels of the member as one JSON object of strings; written where the names above lost
// something.
inline constexpr std::string_view kLabels = "__meta_rollcall_labels";

// Header of an answer whose list no provider confirms at the moment ("true"). Prometheus keeps it,
// as a stale list is better than none; another sidecar must not take it for a confirmation.
inline constexpr std::string_view kStaleHeader = "X-Rollcall-Stale";

}  // namespace rollcall::http_sd
