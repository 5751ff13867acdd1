// What an answer of Consul's health endpoint means: a confirmed list, or which failure it is
// (PROTOCOLS "Consul"). Pure functions, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/node.h"
#include "providers/common/http_response.h"
#include "providers/consul/consul_settings.h"

namespace rollcall {

// Whether a status is 200; of any other, the code below.
Result<void> judge_status(const HttpResponse& response);

// The index of an answer that may be believed. Which failure looks like which code:
//   400, 500 about the filter                          INVALID_CONFIG
//   401, 403/500 "ACL not found"                       AUTH_FAILED
//   403 otherwise, 500 "Permission denied",
//   X-Consul-Results-Filtered-By-ACLs: true            PERMISSION_DENIED
//   429, other 5xx, X-Consul-KnownLeader: false,
//   stale mode: X-Consul-LastContact above the bound   BACKEND_UNAVAILABLE
//   no X-Consul-Index, X-Consul-Query-Backend: streaming
//   (an agent's cache, see consul_settings.cpp)        CAPABILITY_MISSING
//   any other status                                   MALFORMED_RESPONSE
Result<std::uint64_t> judge(const HttpResponse& response, const ConsulSettings& settings);

// Whether an answer to a question without a token may have been filtered without a word: Consul
// says X-Consul-Results-Filtered-By-ACLs only to whoever has a token, so that strangers learn
// nothing, and how many members it left out does not matter. Every agent since 1.9 names its
// default policy, also with access control off; whether that is on has to be asked for.
bool may_hide(const HttpResponse& response);

// Who a request without a token is to the agent, by its answer to GET /v1/acl/token/self.
enum class ConsulIdentity {
  NoAccessControl,  // everybody may see everything
  Known,            // the agent puts a default token of its own under it
  Nobody,           // it is anonymous, or the answer does not tell
};
ConsulIdentity identity_in(const HttpResponse& response);

// The members in a body. MALFORMED_RESPONSE with the first problems (wrong types, missing fields,
// nodes outside of limits.h, one id twice), LIMIT_EXCEEDED above limits::kMaxMembers.
//
// id: as settings say. host: Service.Address, or Node.Address if that is empty. zone: meta `zone`
// of the service, of the node, or the datacenter. labels: the service's meta without the keys that
// became fields (`zone`, `rollcall-incarnation`, the id's), and its tags, sorted and joined by
// commas, as `consul-tags` (as many as fit, and only if there is room for one label more). weight:
// the service's weight for passing, or for warning while a check warns. incarnation: meta
// `rollcall-incarnation` of the service, or of the node. status: NOT_READY if a check is critical,
// DRAINING if none is but that of Consul's maintenance mode, READY otherwise.
Result<std::vector<ClusterNode>> parse_members(const std::string& body,
                                               const ConsulSettings& settings);

}  // namespace rollcall
