#include "bridges/client/replica/wire.h"

#include <limits>
#include <memory>
#include <utility>

#include "core/codec/canonical.h"

namespace rollcall::client {
namespace {

NodeStatus status_from_wire(v1::NodeStatus status) {
  switch (status) {
    case v1::NODE_STATUS_READY:
      return NodeStatus::Ready;
    case v1::NODE_STATUS_DRAINING:
      return NodeStatus::Draining;
    default:
      return NodeStatus::NotReady;
  }
}

}  // namespace

std::optional<Member> member_from_wire(const v1::Node& node) {
  if (node.id().empty() || node.port() > std::numeric_limits<std::uint16_t>::max()) return {};
  ClusterNode result;
  result.id = NodeId(node.id());
  result.host = node.host();
  result.port = static_cast<std::uint16_t>(node.port());
  result.zone = node.zone();
  result.labels.insert(node.labels().begin(), node.labels().end());
  result.weight = node.weight();
  result.status = status_from_wire(node.status());
  result.incarnation = node.incarnation();
  if (!validate_node(result, "node").empty()) return {};
  return make_member(std::move(result), node.blocked());
}

v1::Node node_to_wire(const ClusterNode& node, bool blocked) {
  v1::Node result;
  result.set_id(node.id.str());
  result.set_host(node.host);
  result.set_port(node.port);
  result.set_zone(node.zone);
  for (const auto& [key, value] : node.labels) (*result.mutable_labels())[key] = value;
  result.set_weight(node.weight);
  result.set_status(static_cast<v1::NodeStatus>(node.status));
  result.set_incarnation(node.incarnation);
  result.set_blocked(blocked);
  return result;
}

Availability availability_from_wire(v1::Availability availability) {
  switch (availability) {
    case v1::AVAILABILITY_AVAILABLE:
      return Availability::Available;
    case v1::AVAILABILITY_EMPTY:
      return Availability::Empty;
    case v1::AVAILABILITY_DRAINING:
      return Availability::Draining;
    default:
      return Availability::Unavailable;
  }
}

HealthState health_from_wire(v1::Health health) {
  switch (health) {
    case v1::HEALTH_HEALTHY:
      return HealthState::Healthy;
    case v1::HEALTH_DEGRADED:
      return HealthState::Degraded;
    default:
      return HealthState::Unreachable;
  }
}

Advice advice_from_wire(v1::Advice advice) {
  switch (advice) {
    case v1::ADVICE_NONE:
      return Advice::None;
    case v1::ADVICE_REMOVALS_HELD:
      return Advice::RemovalsHeld;
    case v1::ADVICE_PROVIDER_HELD:
      return Advice::ProviderHeld;
    default:
      return Advice::AvoidNewChannels;
  }
}

std::optional<FailoverReason> reason_from_wire(v1::FailoverReason reason) {
  switch (reason) {
    case v1::FAILOVER_REASON_TIMEOUT:
      return FailoverReason::Timeout;
    case v1::FAILOVER_REASON_HEALTH_DEGRADED:
      return FailoverReason::HealthDegraded;
    case v1::FAILOVER_REASON_MANUAL_OVERRIDE:
      return FailoverReason::ManualOverride;
    case v1::FAILOVER_REASON_RECOVERED:
      return FailoverReason::Recovered;
    default:
      return {};
  }
}

std::optional<RemoteKind> remote_kind_from_wire(v1::RemoteKind kind) {
  switch (kind) {
    case v1::REMOTE_KIND_JOIN:
      return RemoteKind::Join;
    case v1::REMOTE_KIND_LEAVE:
      return RemoteKind::Leave;
    case v1::REMOTE_KIND_BLOCKED:
      return RemoteKind::Blocked;
    case v1::REMOTE_KIND_UNBLOCKED:
      return RemoteKind::Unblocked;
    default:
      return {};
  }
}

v1::Availability availability_to_wire(Availability availability) {
  switch (availability) {
    case Availability::Available:
      return v1::AVAILABILITY_AVAILABLE;
    case Availability::Empty:
      return v1::AVAILABILITY_EMPTY;
    case Availability::Unavailable:
      return v1::AVAILABILITY_UNAVAILABLE;
    case Availability::Draining:
      return v1::AVAILABILITY_DRAINING;
  }
  return v1::AVAILABILITY_UNSPECIFIED;
}

v1::Health health_to_wire(HealthState health) {
  switch (health) {
    case HealthState::Healthy:
      return v1::HEALTH_HEALTHY;
    case HealthState::Degraded:
      return v1::HEALTH_DEGRADED;
    case HealthState::Unreachable:
      return v1::HEALTH_UNREACHABLE;
  }
  return v1::HEALTH_UNSPECIFIED;
}

Lease lease_from_wire(const v1::Lease& lease) {
  return Lease{lease.partition(), NodeId(lease.owner()), lease.lease_id(),
               lease.expires_at_unix_ms(), lease.metadata()};
}

v1::Lease lease_to_wire(const Lease& lease) {
  v1::Lease result;
  result.set_partition(lease.partition);
  result.set_owner(lease.owner.str());
  result.set_lease_id(lease.lease_id);
  result.set_expires_at_unix_ms(lease.expires_at_unix_ms);
  result.set_metadata(lease.metadata);
  return result;
}

v1::Provider provider_to_wire(const ProviderDescriptor& descriptor) {
  v1::Provider result;
  result.set_id(descriptor.id.str());
  result.set_kind(descriptor.kind);
  result.set_priority(descriptor.priority);
  for (const auto& endpoint : descriptor.endpoints) result.add_endpoints(endpoint);
  if (descriptor.auth != AuthRef{}) {
    auto& auth = *result.mutable_auth();
    auth.set_token_file(descriptor.auth.token_file);
    auth.set_ca_file(descriptor.auth.ca_file);
    auth.set_cert_file(descriptor.auth.cert_file);
    auth.set_key_file(descriptor.auth.key_file);
  }
  for (const auto& [key, value] : descriptor.watch_params) {
    (*result.mutable_watch_params())[key] = value;
  }
  result.set_standby(descriptor.standby == Standby::Cold ? "cold" : "hot");
  result.set_enabled(descriptor.enabled);
  return result;
}

ProviderDescriptor provider_from_wire(const v1::Provider& provider) {
  ProviderDescriptor result;
  result.id = ProviderId(provider.id());
  result.kind = provider.kind();
  result.priority = provider.priority();
  result.endpoints.assign(provider.endpoints().begin(), provider.endpoints().end());
  result.auth = AuthRef{provider.auth().token_file(), provider.auth().ca_file(),
                        provider.auth().cert_file(), provider.auth().key_file()};
  result.watch_params.insert(provider.watch_params().begin(), provider.watch_params().end());
  result.standby = provider.standby() == "cold" ? Standby::Cold : Standby::Hot;
  result.enabled = provider.has_enabled() ? provider.enabled() : true;
  result.disabled_reason = provider.disabled_reason();
  result.origin = provider.origin() == "config" ? Origin::Config : Origin::Api;
  return result;
}

std::string_view event_name(const v1::ClusterEvent& event) {
  switch (event.event_case()) {
    case v1::ClusterEvent::kDelta:
      return "delta";
    case v1::ClusterEvent::kReset:
      return "reset";
    case v1::ClusterEvent::kRemoteTopology:
      return "remote_topology";
    case v1::ClusterEvent::kProviderChanged:
      return "provider_changed";
    case v1::ClusterEvent::kStreamTerminated:
      return "stream_terminated";
    case v1::ClusterEvent::kAvailabilityChanged:
      return "availability_changed";
    case v1::ClusterEvent::kHealthWarning:
      return "health_warning";
    case v1::ClusterEvent::kLeaseUpdated:
      return "lease_updated";
    case v1::ClusterEvent::kSnapshot:
      return "snapshot";
    case v1::ClusterEvent::kBookmark:
      return "bookmark";
    case v1::ClusterEvent::EVENT_NOT_SET:
      return "unknown";
  }
  return "unknown";
}

}  // namespace rollcall::client
