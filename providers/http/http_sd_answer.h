// What an answer in the http_sd format means: a confirmed list, a confirmation of the last one, or
// which failure it is (PROTOCOLS "HTTP discovery"). Pure functions, any thread.
#pragma once

#include <string>
#include <vector>

#include "core/error.h"
#include "core/node.h"
#include "providers/common/http_response.h"
#include "providers/http/http_sd_settings.h"

namespace rollcall {

enum class HttpSdVerdict {
  List,         // 200 with application/json: the body is the whole list
  NotModified,  // 304 to a question that named an ETag
};

// `conditional`: the question named an ETag. Which failure looks like which code:
//   401                                             AUTH_FAILED
//   403                                             PERMISSION_DENIED
//   400, 404, 405, 410: not a list's URL            INVALID_CONFIG
//   408, 429, 5xx; X-Rollcall-Stale: true           BACKEND_UNAVAILABLE
//   any other status (redirects are not followed,
//   206 and 204 are no list), another type          MALFORMED_RESPONSE
Result<HttpSdVerdict> judge_http_sd(const HttpResponse& response, bool conditional);

// The ETag of an answer if it may be sent back as it is; empty: none.
std::string usable_etag(const HttpResponse& response);

// The members in a body. MALFORMED_RESPONSE with the first problems (wrong types, unknown or
// repeated keys, a target without a port, nodes outside of limits.h, one id twice), LIMIT_EXCEEDED
// above limits::kMaxMembers.
//
// Every target of a group is a member: host and port from "host:port" or "[address]:port", id as
// settings say. zone, weight, status and incarnation come from the labels that settings name, and
// are no labels of the member then; nor are names with the prefix __meta_rollcall_, which is
// Rollcall's own (core/http_sd.h). Every other label stays one, under its name.
Result<std::vector<ClusterNode>> parse_http_sd(const std::string& body,
                                               const HttpSdSettings& settings);

}  // namespace rollcall
