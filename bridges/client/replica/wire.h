// From the messages of proto/ to the values of core/, and back where a client says something.
//
// Reading is lenient where a newer sidecar may know more than this library (an enumerator it does
// not know becomes the most careful known one) and strict where a value could not be held (an empty
// id, a port above 65535): the hash that travels with every event proves the rest.
//
// Pure functions, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/descriptor.h"
#include "core/event.h"
#include "core/node.h"
#include "rollcall/v1/admin.pb.h"
#include "rollcall/v1/events.pb.h"

namespace rollcall::client {

// Nothing if it can't be a member: no id, a port above 65535, or larger than limits.h allows.
// A status that this library does not know counts as NotReady.
std::optional<Member> member_from_wire(const v1::Node& node);

v1::Node node_to_wire(const ClusterNode& node, bool blocked = false);

// Unknown enumerators: Unavailable, Unreachable, AvoidNewChannels; a reason stays unknown.
Availability availability_from_wire(v1::Availability availability);
HealthState health_from_wire(v1::Health health);
Advice advice_from_wire(v1::Advice advice);
std::optional<FailoverReason> reason_from_wire(v1::FailoverReason reason);
std::optional<RemoteKind> remote_kind_from_wire(v1::RemoteKind kind);
v1::Availability availability_to_wire(Availability availability);
v1::Health health_to_wire(HealthState health);

Lease lease_from_wire(const v1::Lease& lease);
v1::Lease lease_to_wire(const Lease& lease);

// Output-only fields (origin, disabled_reason) are read and not written.
v1::Provider provider_to_wire(const ProviderDescriptor& descriptor);
ProviderDescriptor provider_from_wire(const v1::Provider& provider);

// "delta", "remote_topology", … "snapshot", "bookmark"; "unknown" for an event of a newer sidecar.
std::string_view event_name(const v1::ClusterEvent& event);

}  // namespace rollcall::client
