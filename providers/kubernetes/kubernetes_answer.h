// What the answers of a Kubernetes API server mean: pages of EndpointSlices, events of a watch, and
// which failure looks like which code. Pure functions, any thread.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/node.h"
#include "providers/common/http_response.h"
#include "providers/kubernetes/kubernetes_settings.h"

namespace rollcall {

// One address of one endpoint of a slice. `node` is what it would be as a member.
struct SliceEndpoint {
  ClusterNode node;
  std::string
      target;  // what it leads to, the same in every slice: "Pod/default/web-0", or the address
  bool terminating = false;
};

struct EndpointSlice {
  enum class Type : std::uint8_t { IPv4, IPv6, Fqdn };  // in the order of preference
  std::string name;
  std::string version;  // metadata.resourceVersion
  Type type = Type::IPv4;
  std::vector<SliceEndpoint> endpoints;  // none if the type isn't wanted
};

struct SlicePage {
  std::string version;       // of the list
  std::string continuation;  // empty: the last page
  std::vector<EndpointSlice> slices;
};

// The first entry of a list, without its content.
struct SliceHead {
  std::string version;  // of the list
  std::string first;    // name; empty: the list is empty
  std::string first_version;
  bool more = false;  // there are others behind it
};

struct WatchEvent {
  enum class Type { Added, Modified, Deleted, Bookmark };
  Type type = Type::Bookmark;
  EndpointSlice slice;  // of a Bookmark the version alone; of Deleted name and version
};

// Resource versions are whole numbers that rise (said of them since Kubernetes 1.35, and true of
// etcd's revisions ever since). Nothing: one of them isn't such a number.
std::optional<std::strong_ordering> compare_versions(std::string_view a, std::string_view b);

// An answer of status 200, or which failure it is:
//   400                                BAD REQUEST: INVALID_CONFIG (HTTP spoken to an HTTPS port)
//   401                                AUTH_FAILED
//   403                                PERMISSION_DENIED
//   404 (no group discovery.k8s.io/v1) CAPABILITY_MISSING
//   410                                OUT_OF_ORDER: the version is gone; only this folder sees it
//   429, 5xx                           BACKEND_UNAVAILABLE
//   any other                          MALFORMED_RESPONSE
Result<void> judge(const HttpResponse& response);

// MALFORMED_RESPONSE with the first problems (wrong types, missing fields, an endpoint without what
// the settings want of it, nodes outside of limits.h), LIMIT_EXCEEDED.
//
// Of an endpoint: host is addresses[0] (all lead to the same place), port the slice's port of
// watch_params.port or its only one (a nil one is 0), zone its zone. nil ready and serving are
// true, nil terminating false. Terminating and serving: DRAINING, also where ready is forced by
// publishNotReadyAddresses. Not terminating and ready: READY. Neither: NOT_READY.
Result<SlicePage> parse_page(const std::string& body, const KubernetesSettings& settings);
Result<SliceHead> parse_head(const std::string& body);
// One line of a watch. An ERROR event is the failure that its Status says, as judge() would.
Result<WatchEvent> parse_event(const std::string& line, const KubernetesSettings& settings);
// metadata.uid of any object.
Result<std::string> parse_uid(const std::string& body);

}  // namespace rollcall
