#include "deploy/rollcall/show_status.h"

#include <chrono>
#include <utility>

#include "bridges/client/replica/wire.h"
#include "core/codec/json_writer.h"
#include "deploy/rollcall/show_providers.h"
#include "deploy/rollcall/table.h"
#include "deploy/rollcall/text.h"

namespace rollcall::cli {
namespace {

using std::chrono::milliseconds;

std::string ms_text(std::uint64_t ms) {
  return duration_text(milliseconds(static_cast<std::int64_t>(ms)));
}

std::string last_error_of(const v1::ProviderState& state) {
  if (state.last_error_code().empty()) return "";
  return ": " + shown(state.last_error_code()) + " " + shown(state.last_error());
}

void diagnose_topology(const v1::GetStatusResponse& status, std::vector<Finding>& findings) {
  const std::string kept =
      count_text(status.members(), "member") + ", confirmed " + ms_text(status.age_ms()) + " ago";
  const std::string active = shown(status.active_provider());
  if (status.draining_sidecar() || status.availability() == v1::AVAILABILITY_DRAINING) {
    findings.push_back(
        {"This sidecar is draining: the last topology is served, nothing new is "
         "taken, and it ends within seconds.",
         "start rollcalld again to take it back into service"});
  }
  if (!status.has_topology()) {
    findings.push_back(
        {"There is no topology: no provider has ever answered here, and placement "
         "is paused.",
         "rollcall providers list"});
  } else if (status.availability() == v1::AVAILABILITY_UNAVAILABLE) {
    findings.push_back({"No provider can be used: the last topology (" + kept +
                            ") is served stale and new placements are paused.",
                        "rollcall providers list"});
  } else if (status.availability() == v1::AVAILABILITY_EMPTY) {
    findings.push_back(
        {"The active provider " + active + " says that there are no members: placement is paused.",
         "look at its backend (in-memory: rollcall member join ID HOST:PORT), or rollcall switch "
         "ID"});
  } else if (status.stale()) {
    findings.push_back({"The topology (" + kept + ") is served stale until a provider confirms it.",
                        "rollcall providers list"});
  }
  if (!status.active_provider().empty() && status.active_health() == v1::HEALTH_DEGRADED) {
    findings.push_back({"The active provider " + active +
                            " is DEGRADED: remoting is advised against new channels.",
                        "rollcall providers show " + active});
  }
  if (status.removals_held() > 0) {
    findings.push_back(
        {"The leave guard holds back " + count_text(status.removals_held(), "removal") + ".",
         "rollcall release-removals, once you know that these nodes are gone"});
  }
}

void diagnose_provider(const v1::ProviderState& state, std::vector<Finding>& findings) {
  const std::string id = shown(state.provider().id());
  if (!enabled(state)) return;
  if (state.held()) {
    findings.push_back({"Provider " + id + " is held back, as its answers kept failing validation" +
                            (state.held_reason().empty() ? "" : ": " + shown(state.held_reason())) +
                            ".",
                        "correct its backend, then rollcall providers enable " + id});
  } else if (state.capability_missing()) {
    findings.push_back({"Provider " + id + " can't be activated, it lacks: " +
                            shown(state.missing_capability()) + ".",
                        "rollcall providers show " + id});
  } else if (state.health() == v1::HEALTH_UNREACHABLE && state.watching()) {
    findings.push_back({"Provider " + id + " is UNREACHABLE" + last_error_of(state) + ".",
                        "rollcall providers show " + id});
  } else if (state.health() == v1::HEALTH_DEGRADED && state.watching() && !state.active()) {
    findings.push_back({"Provider " + id + " is DEGRADED" + last_error_of(state) + ".",
                        "rollcall providers show " + id});
  }
}

void diagnose_announcement(const v1::AnnouncementState& state, std::vector<Finding>& findings) {
  const std::string& is = state.state();
  const std::string id = shown(state.provider_id());
  const std::string why =
      state.last_error_code().empty()
          ? ""
          : ": " + shown(state.last_error_code()) + " " + shown(state.last_error(), 512);
  if (is == "WAITING") {
    findings.push_back({"This node is not announced through " + id + ": it is not registered.",
                        "rollcall providers add FILE"});
  } else if (is == "UNABLE") {
    findings.push_back({"This node can't be announced through " + id + why + ".",
                        "take it out of announce.providers, or rollcall providers show " + id});
  } else if (is == "MISSING") {
    findings.push_back({"This node is registered, and yet missing in the list of " + id + why + ".",
                        "look for a filter, a tag or another id in rollcall providers show " + id});
  } else if (is == "UNRENEWED" || (is == "REGISTERING" && !why.empty())) {
    findings.push_back({"This node can't be " +
                            std::string(is == "UNRENEWED" ? "renewed" : "registered") + " at " +
                            id + why + ".",
                        "see the page of the provider's kind for what it needs in the backend"});
  }
}

std::string announcements_text(const v1::GetStatusResponse& status) {
  Table table({"PROVIDER", "STATE", "FOR", "LISTED AS", "LOST", "MISSING"});
  for (const auto& state : status.announcements()) {
    table.row({shown(state.provider_id()), shown(state.state()), ms_text(state.since_ms()),
               state.listed_as().empty() ? "-" : shown(state.listed_as()),
               std::to_string(state.lost()), std::to_string(state.missing())});
  }
  return table.text(2);
}

void write_announcements(const v1::GetStatusResponse& status, JsonWriter& writer) {
  writer.key("announcements").begin_array();
  for (const auto& state : status.announcements()) {
    writer.begin_object()
        .field("provider_id", state.provider_id())
        .field("state", state.state())
        .field_u64_text("since_ms", state.since_ms())
        .field("listed_as", state.listed_as())
        .key("last_success_unix_ms")
        .string(std::to_string(state.last_success_unix_ms()))
        .field_u64_text("registrations", state.registrations())
        .field_u64_text("renewals", state.renewals())
        .field_u64_text("lost", state.lost())
        .field_u64_text("missing", state.missing())
        .field("last_error_code", state.last_error_code())
        .field("last_error", state.last_error())
        .end_object();
  }
  writer.end_array();
}

std::string members_text(const v1::GetStatusResponse& status) {
  std::string text = count_text(status.members(), "member");
  std::string parts;
  const auto add = [&parts](std::uint32_t count, const char* what) {
    if (count == 0) return;
    if (!parts.empty()) parts += ", ";
    parts += std::to_string(count) + " " + what;
  };
  add(status.ready(), "ready");
  add(status.draining(), "draining");
  add(status.not_ready(), "not ready");
  add(status.blocked(), "blocked");
  return parts.empty() ? text : text + " (" + parts + ")";
}

std::string topology_line(const v1::GetStatusResponse& status) {
  if (!status.has_topology()) return "none yet";
  std::string text(to_string(client::availability_from_wire(status.availability())));
  if (status.stale()) text += ", stale";
  text += ", " + members_text(status) + ", confirmed " + ms_text(status.age_ms()) + " ago";
  if (!status.availability_reason().empty() &&
      status.availability() != v1::AVAILABILITY_AVAILABLE) {
    text += "; " + shown(status.availability_reason());
  }
  return text;
}

std::string provider_line(const v1::GetStatusResponse& status) {
  if (status.active_provider().empty()) return "none is active";
  std::string text = shown(status.active_provider()) + " (" +
                     std::string(to_string(client::health_from_wire(status.active_health()))) + ")";
  if (!status.pinned_provider().empty()) {
    text += ", pinned to " + shown(status.pinned_provider()) + " for another " +
            ms_text(status.pin_remaining_ms()) + " (rollcall switch --clear ends that)";
  }
  return text;
}

std::string store_line(const v1::GetStatusResponse& status) {
  const v1::StoreState& store = status.store();
  std::string text = shown(store.where(), 512);
  if (store.state() == "own") return text;
  text += ", " + shown(store.state());
  if (store.reached()) {
    text += ", last answered " + ms_text(store.contact_age_ms()) + " ago";
    if (store.shared_revision() != status.revision()) {
      text += store.shared_revision() == 0
                  ? ", holds no set"
                  : ", holds revision " + std::to_string(store.shared_revision());
    }
  }
  return text;
}

std::string consumers_text(const v1::GetStatusResponse& status) {
  if (status.consumers().empty()) return "  none is subscribed\n";
  Table table({"BRIDGE", "CONSUMER", "STATE", "LAG", "ACKNOWLEDGED"});
  for (const auto& consumer : status.consumers()) {
    std::string acknowledged = "-";
    if (consumer.acknowledges()) {
      acknowledged = consumer.acknowledged_seq() == 0 ? "nothing yet"
                                                      : std::to_string(consumer.acknowledged_seq());
    }
    table.row({shown(consumer.bridge()), shown(consumer.consumer_id()),
               consumer.connected() ? "connected" : "gone",
               count_text(consumer.lag_events(), "event"), acknowledged});
  }
  return table.text(2);
}

void write_store(const v1::StoreState& store, JsonWriter& writer) {
  writer.key("store")
      .begin_object()
      .field("kind", store.kind())
      .field("where", store.where())
      .field("state", store.state())
      .field("reached", store.reached())
      .field_u64_text("contact_age_ms", store.contact_age_ms())
      .field_u64_text("shared_revision", store.shared_revision())
      .field("error_code", store.error_code())
      .field("error", store.error())
      .end_object();
}

void write_consumers(const v1::GetStatusResponse& status, JsonWriter& writer) {
  writer.key("consumers").begin_array();
  for (const auto& consumer : status.consumers()) {
    writer.begin_object()
        .field("bridge", consumer.bridge())
        .field("consumer_id", consumer.consumer_id())
        .field("connected", consumer.connected())
        .field("acknowledges", consumer.acknowledges())
        .field_u64_text("sent_seq", consumer.sent_seq())
        .field_u64_text("acknowledged_seq", consumer.acknowledged_seq())
        .field_u64_text("lag_events", consumer.lag_events())
        .end_object();
  }
  writer.end_array();
}

}  // namespace

std::vector<Finding> diagnose(const v1::GetStatusResponse& status,
                              const v1::ListProvidersResponse& providers) {
  std::vector<Finding> findings;
  diagnose_topology(status, findings);
  for (const auto& state : providers.providers()) diagnose_provider(state, findings);
  for (const auto& state : status.announcements()) diagnose_announcement(state, findings);
  if (providers.providers().empty()) {
    findings.push_back({"No provider is registered.", "rollcall providers add FILE"});
  }
  for (const auto& note : status.notes()) findings.push_back({shown(note, 1'024), ""});
  return findings;
}

std::string status_text(const v1::GetStatusResponse& status,
                        const v1::ListProvidersResponse& providers) {
  const client::Position position{Epoch(status.epoch()), SeqNo(status.seq_no())};
  std::string text = "rollcalld " + shown(status.version()) + ", cluster " +
                     shown(status.cluster()) + ", up " + ms_text(status.uptime_ms()) + "\n\n";
  text += "Topology   " + topology_line(status) + "\n";
  text += "Provider   " + provider_line(status) + "\n";
  text += "Position   " + position_text(position) + ", hash " + hash_text(status.snapshot_hash()) +
          " (version " + std::to_string(status.hash_version()) + ")\n";
  text += "Registry   " +
          count_text(static_cast<std::uint64_t>(providers.providers_size()), "provider") +
          ", revision " + std::to_string(status.revision()) + "\n";
  if (status.has_store()) text += "Store      " + store_line(status) + "\n";
  text += "\n";
  if (!status.announcements().empty()) text += "Announced\n" + announcements_text(status) + "\n";
  text += "Consumers\n" + consumers_text(status) + "\n";
  const auto findings = diagnose(status, providers);
  if (findings.empty()) return text + "Nothing needs attention.\n";
  text += "Needs attention\n";
  for (const Finding& finding : findings) {
    text += "  ! " + finding.what + "\n";
    if (!finding.act.empty()) text += "    -> " + finding.act + "\n";
  }
  return text;
}

Result<std::string> status_json(const v1::GetStatusResponse& status,
                                const v1::ListProvidersResponse& providers) {
  JsonWriter writer(2);
  writer.begin_object()
      .field("version", status.version())
      .field("cluster", status.cluster())
      .field_u64_text("epoch", status.epoch())
      .field_u64_text("seq_no", status.seq_no())
      .field_u64_text("snapshot_hash", status.snapshot_hash())
      .field("hash_version", status.hash_version())
      .field("has_topology", status.has_topology())
      .field("availability", to_string(client::availability_from_wire(status.availability())))
      .field("availability_reason", status.availability_reason())
      .field("stale", status.stale())
      .field_u64_text("age_ms", status.age_ms())
      .field("active_provider", status.active_provider())
      .field("active_health", to_string(client::health_from_wire(status.active_health())))
      .field("pinned_provider", status.pinned_provider())
      .field_u64_text("pin_remaining_ms", status.pin_remaining_ms())
      .field("members", status.members())
      .field("ready", status.ready())
      .field("draining", status.draining())
      .field("not_ready", status.not_ready())
      .field("blocked", status.blocked())
      .field_u64_text("revision", status.revision())
      .field("draining_sidecar", status.draining_sidecar())
      .field("removals_held", status.removals_held())
      .field_u64_text("uptime_ms", status.uptime_ms());
  if (status.has_store()) write_store(status.store(), writer);
  write_consumers(status, writer);
  write_announcements(status, writer);
  writer.key("findings").begin_array();
  for (const Finding& finding : diagnose(status, providers)) {
    writer.begin_object().field("what", finding.what).field("act", finding.act).end_object();
  }
  writer.end_array().end_object();
  return std::move(writer).finish();
}

}  // namespace rollcall::cli
