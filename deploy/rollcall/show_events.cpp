#include "deploy/rollcall/show_events.h"

#include <chrono>
#include <utility>

#include "bridges/client/replica/wire.h"
#include "core/codec/json_writer.h"
#include "core/codec/node_codec.h"
#include "deploy/rollcall/table.h"
#include "deploy/rollcall/text.h"

namespace rollcall::cli {
namespace {

using client::availability_from_wire;
using client::health_from_wire;

// Whole lists fit a line up to here; a bigger change is counted.
constexpr int kIdsOnALine = 8;

std::string or_none(const std::string& id) { return id.empty() ? "(none)" : shown(id); }

std::string_view reason_text(v1::FailoverReason reason) {
  const auto known = client::reason_from_wire(reason);
  return known ? to_string(*known) : "UNKNOWN";
}

std::string_view kind_text(v1::RemoteKind kind) {
  const auto known = client::remote_kind_from_wire(kind);
  return known ? to_string(*known) : "UNKNOWN";
}

ClusterNode node_of(const v1::Node& wire) {
  if (const auto member = client::member_from_wire(wire)) return *member->node;
  ClusterNode node;  // what the library would not hold is at least named
  node.id = NodeId(wire.id());
  return node;
}

void write_node(const ClusterNode& node, bool blocked, JsonWriter& writer) {
  writer.begin_object();
  write_node_fields(node, writer);
  writer.field("blocked", blocked).end_object();
}

template <class Nodes>
void write_nodes(std::string_view name, const Nodes& nodes, JsonWriter& writer) {
  writer.key(name).begin_array();
  for (const auto& node : nodes) write_node(node_of(node), node.blocked(), writer);
  writer.end_array();
}

template <class Leases>
void write_leases(const Leases& leases, JsonWriter& writer) {
  writer.key("leases").begin_array();
  for (const auto& lease : leases) {
    writer.begin_object()
        .field("partition", lease.partition())
        .field("owner", lease.owner())
        .field_u64_text("lease_id", lease.lease_id())
        .key("expires_at_unix_ms")
        .string(std::to_string(lease.expires_at_unix_ms()))
        .field("metadata_base64", base64(lease.metadata()))
        .end_object();
  }
  writer.end_array();
}

template <class Items>
void add_ids(std::string& text, std::string_view mark, const Items& items) {
  if (items.size() > kIdsOnALine) {
    text += " " + std::string(mark) + std::to_string(items.size()) + " nodes";
    return;
  }
  for (const auto& item : items) text += " " + std::string(mark) + shown(item.id());
}

std::string delta_text(const v1::Delta& delta) {
  std::string text;
  add_ids(text, "-", delta.left());
  add_ids(text, "+", delta.joined());
  add_ids(text, "~", delta.changed());
  text += "  from " + or_none(delta.provider_id());
  return text.substr(1);
}

std::string snapshot_text(const v1::SnapshotChunk& chunk) {
  if (!chunk.last()) {
    return "chunk " + std::to_string(chunk.chunk_index()) + ": " +
           count_text(static_cast<std::uint64_t>(chunk.members_size()), "member");
  }
  std::string text = count_text(chunk.total_members(), "member") + ", " +
                     std::string(to_string(availability_from_wire(chunk.availability())));
  if (chunk.stale()) text += ", stale";
  return text + ", provider " + or_none(chunk.provider_id()) + " " +
         std::string(to_string(health_from_wire(chunk.health())));
}

std::string availability_text(const v1::AvailabilityChanged& change) {
  std::string text(to_string(availability_from_wire(change.availability())));
  if (change.stale()) text += ", stale";
  text += change.placement_paused() ? ", placement paused" : ", placement may go on";
  if (!change.reason().empty()) text += ": " + shown(change.reason());
  return text;
}

std::string remote_text(const v1::RemoteTopology& remote) {
  const auto& node = remote.node();
  return std::string(kind_text(remote.kind())) + " " + shown(node.id()) + " " +
         endpoint_text(node.host(), node.port());
}

std::string body_text(const v1::ClusterEvent& event) {
  switch (event.event_case()) {
    case v1::ClusterEvent::kDelta:
      return delta_text(event.delta());
    case v1::ClusterEvent::kReset:
      return "too large for one event, a snapshot follows; from " +
             or_none(event.reset().provider_id());
    case v1::ClusterEvent::kRemoteTopology:
      return remote_text(event.remote_topology());
    case v1::ClusterEvent::kProviderChanged: {
      const auto& change = event.provider_changed();
      return or_none(change.from_provider_id()) + " -> " + or_none(change.to_provider_id()) + " " +
             std::string(reason_text(change.reason()));
    }
    case v1::ClusterEvent::kStreamTerminated: {
      const auto& terminated = event.stream_terminated();
      return or_none(terminated.provider_id()) + " " +
             (terminated.ended() ? "ended" : shown(terminated.code()));
    }
    case v1::ClusterEvent::kAvailabilityChanged:
      return availability_text(event.availability_changed());
    case v1::ClusterEvent::kHealthWarning: {
      const auto& warning = event.health_warning();
      return or_none(warning.provider_id()) + " " +
             std::string(to_string(health_from_wire(warning.health()))) + ", advice " +
             std::string(to_string(client::advice_from_wire(warning.advice())));
    }
    case v1::ClusterEvent::kLeaseUpdated:
      return "tick " + std::to_string(event.lease_updated().tick()) + ", " +
             count_text(static_cast<std::uint64_t>(event.lease_updated().leases_size()), "lease");
    case v1::ClusterEvent::kSnapshot:
      return snapshot_text(event.snapshot());
    case v1::ClusterEvent::kBookmark:
      return "up to date";
    case v1::ClusterEvent::EVENT_NOT_SET:
      return "of a newer rollcalld";
  }
  return "";
}

void write_delta(const v1::Delta& delta, JsonWriter& writer) {
  writer.key("left").begin_array();
  for (const auto& left : delta.left()) {
    writer.begin_object()
        .field("id", left.id())
        .field("incarnation", left.incarnation())
        .end_object();
  }
  writer.end_array();
  write_nodes("joined", delta.joined(), writer);
  write_nodes("changed", delta.changed(), writer);
  writer.field_u64_text("invalidates_hash", delta.invalidates_hash())
      .field("provider_id", delta.provider_id())
      .field("source_age_ms", delta.source_age_ms());
}

void write_snapshot(const v1::SnapshotChunk& chunk, JsonWriter& writer) {
  writer.field("chunk_index", chunk.chunk_index())
      .field("last", chunk.last())
      .field("hash_version", chunk.hash_version())
      .field("total_members", chunk.total_members());
  write_nodes("members", chunk.members(), writer);
  write_leases(chunk.leases(), writer);
  writer.field("availability", to_string(availability_from_wire(chunk.availability())))
      .field("stale", chunk.stale())
      .field_u64_text("age_ms", chunk.age_ms())
      .field("draining", chunk.draining())
      .field("provider_id", chunk.provider_id())
      .field("health", to_string(health_from_wire(chunk.health())))
      .field_u64_text("lease_tick", chunk.lease_tick());
}

void write_body(const v1::ClusterEvent& event, JsonWriter& writer) {
  switch (event.event_case()) {
    case v1::ClusterEvent::kDelta:
      return write_delta(event.delta(), writer);
    case v1::ClusterEvent::kSnapshot:
      return write_snapshot(event.snapshot(), writer);
    case v1::ClusterEvent::kReset:
      writer.field_u64_text("invalidates_hash", event.reset().invalidates_hash())
          .field("provider_id", event.reset().provider_id());
      return;
    case v1::ClusterEvent::kRemoteTopology: {
      const auto& remote = event.remote_topology();
      writer.field("kind", kind_text(remote.kind())).key("node");
      write_node(node_of(remote.node()), remote.node().blocked(), writer);
      writer.field("provider_id", remote.provider_id());
      return;
    }
    case v1::ClusterEvent::kProviderChanged:
      writer.field("from_provider_id", event.provider_changed().from_provider_id())
          .field("to_provider_id", event.provider_changed().to_provider_id())
          .field("reason", reason_text(event.provider_changed().reason()));
      return;
    case v1::ClusterEvent::kStreamTerminated:
      writer.field("provider_id", event.stream_terminated().provider_id())
          .field("ended", event.stream_terminated().ended())
          .field("code", event.stream_terminated().code());
      return;
    case v1::ClusterEvent::kAvailabilityChanged: {
      const auto& change = event.availability_changed();
      writer.field("availability", to_string(availability_from_wire(change.availability())))
          .field("reason", change.reason())
          .field("placement_paused", change.placement_paused())
          .field("stale", change.stale());
      return;
    }
    case v1::ClusterEvent::kHealthWarning: {
      const auto& warning = event.health_warning();
      writer.field("provider_id", warning.provider_id())
          .field("health", to_string(health_from_wire(warning.health())))
          .field("advice", to_string(client::advice_from_wire(warning.advice())));
      return;
    }
    case v1::ClusterEvent::kLeaseUpdated:
      writer.field_u64_text("tick", event.lease_updated().tick());
      return write_leases(event.lease_updated().leases(), writer);
    case v1::ClusterEvent::kBookmark:
    case v1::ClusterEvent::EVENT_NOT_SET:
      return;
  }
}

}  // namespace

std::string members_text(const client::TopologyView& view) {
  Table table({"ID", "ADDRESS", "ZONE", "STATUS", "WEIGHT", "INCARNATION", "LABELS"});
  view.members.for_each([&table](const Member& member) {
    const ClusterNode& node = *member.node;
    std::string labels;
    for (const auto& [key, value] : node.labels) {
      if (!labels.empty()) labels += ",";
      labels += shown(key) + "=" + shown(value);
    }
    std::string status(to_string(node.status));
    if (member.blocked) status += ", BLOCKED";
    table.row({shown(node.id.str()), endpoint_text(node.host, node.port),
               node.zone.empty() ? "-" : shown(node.zone), status, std::to_string(node.weight),
               node.incarnation.empty() ? "-" : shown(node.incarnation), labels});
  });
  std::string text = view.members.empty() ? "" : table.text() + "\n";
  text +=
      count_text(view.members.size(), "member") + ", " + std::string(to_string(view.availability));
  if (view.stale) {
    text +=
        ", stale (confirmed " +
        duration_text(std::chrono::milliseconds(static_cast<std::int64_t>(view.snapshot_age_ms))) +
        " ago)";
  }
  return text + ", from " + or_none(view.provider_id.str()) + ", at " +
         position_text(view.position) + ", hash " + hash_text(view.members.hash()) + "\n";
}

Result<std::string> members_json(const client::TopologyView& view) {
  JsonWriter writer(2);
  writer.begin_object()
      .field_u64_text("epoch", view.position.epoch.value())
      .field_u64_text("seq_no", view.position.seq_no.value())
      .field_u64_text("snapshot_hash", view.members.hash())
      .field("hash_version", kHashVersion)
      .field("provider", view.provider_id.str())
      .field("availability", to_string(view.availability))
      .field("stale", view.stale)
      .field_number("age_seconds", static_cast<double>(view.snapshot_age_ms) / 1'000.0);
  writer.key("members").begin_array();
  view.members.for_each(
      [&writer](const Member& member) { write_node(*member.node, member.blocked, writer); });
  writer.end_array().end_object();
  return std::move(writer).finish();
}

std::string member_text(const v1::GetMemberResponse& member) {
  Table table(
      {"KNOWN TO", "ID", "ADDRESS", "ZONE", "STATUS", "WEIGHT", "INCARNATION", "CONFIRMED"});
  const auto row = [&table](const std::string& who, const v1::Node& wire, const std::string& when) {
    const ClusterNode node = node_of(wire);
    table.row({who, shown(node.id.str()), endpoint_text(node.host, node.port),
               node.zone.empty() ? "-" : shown(node.zone),
               std::string(to_string(node.status)) + (wire.blocked() ? ", BLOCKED" : ""),
               std::to_string(node.weight),
               node.incarnation.empty() ? "-" : shown(node.incarnation), when});
  };
  if (member.has_node()) row("consumers", member.node(), "-");
  for (const auto& listing : member.listings()) {
    const std::string health(to_string(client::health_from_wire(listing.health())));
    row(shown(listing.provider_id()) + (listing.active() ? " (active)" : ""), listing.node(),
        duration_text(
            std::chrono::milliseconds(static_cast<std::int64_t>(listing.confirmed_age_ms()))) +
            " ago, " + health);
  }
  return table.text() + (member.has_node() ? "" : "\nNo member now: consumers do not know it.\n");
}

Result<std::string> member_json(const v1::GetMemberResponse& member) {
  JsonWriter writer(2);
  writer.begin_object().field("member", member.has_node());
  if (member.has_node()) {
    writer.key("node");
    write_node(node_of(member.node()), member.node().blocked(), writer);
  }
  writer.key("listings").begin_array();
  for (const auto& listing : member.listings()) {
    writer.begin_object()
        .field("provider_id", listing.provider_id())
        .field("active", listing.active())
        .field("health", to_string(client::health_from_wire(listing.health())))
        .field_u64_text("confirmed_age_ms", listing.confirmed_age_ms())
        .key("node");
    write_node(node_of(listing.node()), listing.node().blocked(), writer);
    writer.end_object();
  }
  writer.end_array().end_object();
  return std::move(writer).finish();
}

std::string event_text(const v1::ClusterEvent& event) {
  std::string name(client::event_name(event));
  name.resize(std::max(name.size(), std::size_t{20}), ' ');
  return std::to_string(event.seq_no()) + "  " + name + "  " + body_text(event);
}

Result<std::string> event_json(const v1::ClusterEvent& event) {
  JsonWriter writer;
  writer.begin_object()
      .field_u64_text("seq_no", event.seq_no())
      .field_u64_text("epoch", event.epoch())
      .field_u64_text("snapshot_hash", event.snapshot_hash())
      .key("observed_at_unix_ms")
      .string(std::to_string(event.observed_at_unix_ms()))
      .field("event", client::event_name(event));
  write_body(event, writer);
  writer.end_object();
  return std::move(writer).finish();
}

std::string operator_event_text(const v1::OperatorEvent& event) {
  std::string text = time_text(event.at_unix_ms()) + "  ";
  std::string level = shown(event.level());
  level.resize(std::max(level.size(), std::size_t{7}), ' ');
  text += level + "  " + shown(event.event());
  if (!event.provider_id().empty()) text += "  " + shown(event.provider_id());
  if (!event.code().empty()) text += "  " + shown(event.code());
  if (!event.message().empty()) text += "  " + shown(event.message(), 1'024);
  return text;
}

Result<std::string> operator_event_json(const v1::OperatorEvent& event) {
  JsonWriter writer;
  writer.begin_object()
      .field_u64_text("index", event.index())
      .key("at_unix_ms")
      .string(std::to_string(event.at_unix_ms()))
      .field("level", event.level())
      .field("event", event.event())
      .field("provider_id", event.provider_id())
      .field("code", event.code())
      .field("message", event.message())
      .end_object();
  return std::move(writer).finish();
}

}  // namespace rollcall::cli
