#include "core/event.h"

#include <array>

namespace rollcall {
namespace {

// Sizes of protobuf's encoding (rollcall/v1/events.proto): a one-byte tag (two for fields from 16
// up), a varint or length of at most 10 or 5 bytes, then the content.
constexpr std::size_t kVarint64 = 1 + 10;
constexpr std::size_t kVarint32 = 1 + 5;
constexpr std::size_t kFixed64 = 1 + 8;
constexpr std::size_t kEnum = 1 + 1;
constexpr std::size_t kBool = 1 + 1;
constexpr std::size_t kHeader = 1 + 5;  // of a string or message

std::size_t text(std::size_t bytes) { return bytes == 0 ? 0 : kHeader + bytes; }

std::size_t node_size(const Member& member) {
  const ClusterNode& node = *member.node;
  std::size_t size = text(node.id.str().size()) + text(node.host.size()) + kVarint32 +
                     text(node.zone.size()) + kVarint32 + kEnum + text(node.incarnation.size()) +
                     kBool;
  // Keys and values of a map are written even when empty.
  for (const auto& [key, value] : node.labels) {
    size += kHeader + kHeader + key.size() + kHeader + value.size();
  }
  return kHeader + size;
}

struct BodySize {
  std::size_t operator()(const event::Delta& e) const {
    std::size_t size = kFixed64 + text(e.provider_id.str().size()) + kVarint32;
    for (const LeftMember& left : e.left) {
      size += kHeader + text(left.id.str().size()) + text(left.incarnation.size());
    }
    for (const Member& member : e.joined) size += node_size(member);
    for (const Member& member : e.changed) size += node_size(member);
    return size;
  }
  std::size_t operator()(const event::Reset& e) const {
    return kFixed64 + text(e.provider_id.str().size());
  }
  std::size_t operator()(const event::RemoteTopology& e) const {
    return kEnum + node_size(e.node) + text(e.provider_id.str().size());
  }
  std::size_t operator()(const event::ProviderChanged& e) const {
    return text(e.from.str().size()) + text(e.to.str().size()) + kEnum;
  }
  std::size_t operator()(const event::StreamTerminated& e) const {
    return text(e.provider_id.str().size()) + kBool + text(to_string(e.code).size());
  }
  std::size_t operator()(const event::AvailabilityChanged& e) const {
    return kEnum + text(e.reason.size()) + kBool + kBool;
  }
  std::size_t operator()(const event::HealthWarning& e) const {
    return text(e.provider_id.str().size()) + kEnum + kEnum;
  }
  std::size_t operator()(const event::LeaseUpdated& e) const {
    std::size_t size = kVarint64;
    for (const Lease& lease : e.leases) {
      size += kHeader + text(lease.partition.size()) + text(lease.owner.str().size()) + kVarint64 +
              kVarint64 + text(lease.metadata.size());
    }
    return size;
  }
};

// In the order of Event's variant.
constexpr std::array<std::string_view, kEventKinds> kEventNames = {
    "delta",
    "reset",
    "remote_topology",
    "provider_changed",
    "stream_terminated",
    "availability_changed",
    "health_warning",
    "lease_updated",
};
static_assert(std::variant_size_v<decltype(Event::body)> == kEventKinds);

}  // namespace

std::string_view to_string(Availability a) {
  switch (a) {
    case Availability::Available:
      return "AVAILABLE";
    case Availability::Empty:
      return "EMPTY";
    case Availability::Unavailable:
      return "UNAVAILABLE";
    case Availability::Draining:
      return "DRAINING";
  }
  return "UNKNOWN";
}

std::string_view to_string(HealthState h) {
  switch (h) {
    case HealthState::Healthy:
      return "HEALTHY";
    case HealthState::Degraded:
      return "DEGRADED";
    case HealthState::Unreachable:
      return "UNREACHABLE";
  }
  return "UNKNOWN";
}

std::string_view to_string(FailoverReason r) {
  switch (r) {
    case FailoverReason::Timeout:
      return "TIMEOUT";
    case FailoverReason::HealthDegraded:
      return "HEALTH_DEGRADED";
    case FailoverReason::ManualOverride:
      return "MANUAL_OVERRIDE";
    case FailoverReason::Recovered:
      return "RECOVERED";
  }
  return "UNKNOWN";
}

std::string_view to_string(Advice a) {
  switch (a) {
    case Advice::None:
      return "NONE";
    case Advice::AvoidNewChannels:
      return "AVOID_NEW_CHANNELS";
    case Advice::RemovalsHeld:
      return "REMOVALS_HELD";
    case Advice::ProviderHeld:
      return "PROVIDER_HELD";
  }
  return "UNKNOWN";
}

std::string_view to_string(RemoteKind k) {
  switch (k) {
    case RemoteKind::Join:
      return "JOIN";
    case RemoteKind::Leave:
      return "LEAVE";
    case RemoteKind::Blocked:
      return "BLOCKED";
    case RemoteKind::Unblocked:
      return "UNBLOCKED";
  }
  return "UNKNOWN";
}

std::string_view event_name(const Event& e) { return kEventNames[e.body.index()]; }

std::size_t encoded_size_bound(const Event& e) {
  constexpr std::size_t kEnvelope = kHeader          // the batch's element
                                    + 2 * kVarint64  // seq_no, epoch
                                    + kFixed64       // snapshot_hash
                                    + kVarint64      // observed_at
                                    + 1 + kHeader;   // the body's header, two-byte tag
  return kEnvelope + std::visit(BodySize{}, e.body);
}

}  // namespace rollcall
