// The one list of all metrics: exposition takes its help texts from here, the README its table.
#include <algorithm>

#include "provisioning/telemetry/metric_families.h"
#include "provisioning/telemetry/metrics.h"

namespace rollcall {
namespace {

std::vector<MetricInfo> all_metrics() {
  return {
      {"process_cpu_seconds_total", "counter", "", "User and system CPU time spent."},
      {"process_max_fds", "gauge", "", "Most file descriptors that may be open."},
      {"process_open_fds", "gauge", "", "Open file descriptors."},
      {"process_resident_memory_bytes", "gauge", "", "Resident memory."},
      {"process_start_time_seconds", "gauge", "", "When the process started, in Unix time."},
      {"process_threads", "gauge", "", "Threads of the process."},
      {"process_virtual_memory_bytes", "gauge", "", "Virtual memory."},
      {"rollcall_abandoned_streams", "gauge", "",
       "Provider threads that never came back after they were cancelled."},
      {"rollcall_acknowledgements_total", "counter", "bridge", "Acknowledgements of consumers."},
      {"rollcall_active_provider", "gauge", "provider",
       "1 for the active provider, 0 for the others."},
      {"rollcall_announce_calls_total", "counter", "provider, call, code",
       "Calls by which this node is announced (register, renew, withdraw), by outcome (OK or an "
       "error code; NOT_FOUND: a renewal of what the backend no longer knew)."},
      {"rollcall_announce_last_success_timestamp_seconds", "gauge", "provider",
       "When this node was last registered or renewed there, in Unix time; absent before."},
      {"rollcall_announce_missing_total", "counter", "provider",
       "How often this node was registered and yet missing in the provider's own list."},
      {"rollcall_announce_state", "gauge", "provider, state",
       "1 for the present state of this node there: LISTED is the good one."},
      {"rollcall_availability", "gauge", "state",
       "1 for the present state: AVAILABLE, EMPTY, UNAVAILABLE or DRAINING."},
      {"rollcall_batches_sent_total", "counter", "bridge",
       "Batches of events handed to the transport."},
      {"rollcall_blocks", "gauge", "", "Nodes that remoting quarantined, absent ones included."},
      {"rollcall_boot_number", "gauge", "",
       "The durable boot counter, the upper part of the epoch."},
      {"rollcall_build_info", "gauge", "version", "Always 1; the version is in the label."},
      {"rollcall_commands_queued", "gauge", "", "Commands that wait for the service thread."},
      {"rollcall_connectivity_check_seconds", "histogram", "",
       "How long it took until a backend was known to answer or not, before it was accepted."},
      {"rollcall_connectivity_checks_total", "counter", "code",
       "Connectivity checks before a descriptor was accepted, by outcome (OK or an error code)."},
      {"rollcall_consumer_connected", "gauge", "bridge, consumer",
       "Open streams of this consumer."},
      {"rollcall_consumer_lag_events", "gauge", "bridge, consumer",
       "Events in the log that this consumer was not sent yet."},
      {"rollcall_consumer_unacknowledged_events", "gauge", "bridge, consumer",
       "Events in the log that this acknowledging consumer has not acknowledged yet."},
      {"rollcall_event_sequence", "gauge", "", "The newest event of this epoch: n in seq_no."},
      {"rollcall_events_sent_total", "counter", "bridge", "Events handed to the transport."},
      {"rollcall_events_total", "counter", "event", "Events appended to the log, by kind."},
      {"rollcall_failovers_total", "counter", "from, to, reason",
       "Changes of the active provider; `none` where there was none."},
      {"rollcall_leases", "gauge", "", "Leases kept for this epoch."},
      {"rollcall_log_bytes", "gauge", "", "Encoded events in the log."},
      {"rollcall_log_events", "gauge", "", "Events in the log."},
      {"rollcall_placement_paused", "gauge", "", "1 while new placements must wait."},
      {"rollcall_provider_accepted_unreachable", "gauge", "provider",
       "1 if it was accepted with --allow-unreachable and could not be reached then."},
      {"rollcall_provider_capability_missing", "gauge", "provider",
       "1 if it lacks a capability and is therefore never activated."},
      {"rollcall_provider_consecutive_errors", "gauge", "provider",
       "Errors since its last good answer."},
      {"rollcall_provider_enabled", "gauge", "provider", "1 if the operator wants it to be used."},
      {"rollcall_provider_health", "gauge", "provider, state",
       "1 for its present state: HEALTHY, DEGRADED or UNREACHABLE."},
      {"rollcall_provider_held", "gauge", "provider",
       "1 while it is held back because its answers kept failing validation."},
      {"rollcall_provider_info", "gauge", "provider, kind", "Always 1; the kind is in the label."},
      {"rollcall_provider_last_update_timestamp_seconds", "gauge", "provider",
       "When its last confirmed answer was complete, in Unix time; absent before the first one."},
      {"rollcall_provider_members", "gauge", "provider", "Members in its own view."},
      {"rollcall_provider_watching", "gauge", "provider", "1 while a stream of it is running."},
      {"rollcall_registry_revision", "gauge", "", "Revision of the accepted set of providers."},
      {"rollcall_reloads_total", "counter", "outcome",
       "Reloads of the configuration: ok or refused."},
      {"rollcall_remote_nodes", "gauge", "state",
       "Members as remoting should see them: up (ready), degraded (draining), down (not ready or "
       "blocked)."},
      {"rollcall_remote_nodes_last_update_timestamp_seconds", "gauge", "",
       "When the answer behind the topology was complete, in Unix time; absent without a "
       "topology."},
      {"rollcall_removals_held", "gauge", "", "Removals that the leave guard holds back."},
      {"rollcall_requests_total", "counter", "method, code",
       "Calls of the API, by outcome (OK or an error code)."},
      {"rollcall_sent_bytes_total", "counter", "bridge",
       "Bytes of batches handed to the transport."},
      {"rollcall_shared_store_following", "gauge", "",
       "1 if the set in the store that a fleet shares is the one that runs here; absent with a "
       "file of one's own, as all of rollcall_shared_store_*."},
      {"rollcall_shared_store_last_contact_timestamp_seconds", "gauge", "",
       "When that store answered last, in Unix time; absent before it did."},
      {"rollcall_shared_store_reached", "gauge", "",
       "1 if that store answered when it was asked last."},
      {"rollcall_shared_store_revision", "gauge", "",
       "Revision of the set in that store; 0: none, or not known."},
      {"rollcall_snapshot_bytes", "gauge", "", "Size of the encoded snapshots that are kept."},
      {"rollcall_snapshot_encode_seconds", "histogram", "",
       "Encoding one version of the topology."},
      {"rollcall_snapshot_latency_seconds", "histogram", "",
       "From the complete answer of the active provider to its events in the log."},
      {"rollcall_snapshot_versions", "gauge", "", "Encoded snapshots that are kept."},
      {"rollcall_snapshots_encoded_total", "counter", "",
       "Versions of the topology that were encoded."},
      {"rollcall_snapshots_sent_total", "counter", "bridge",
       "Snapshots for subscribers that could not resume."},
      {"rollcall_store_write_seconds", "histogram", "file", "Durable writes of a state file."},
      {"rollcall_store_writes_total", "counter", "file, outcome",
       "Durable writes of a state file, or of a fleet's set (etcd): ok, failed or unknown (a "
       "directory fsync failed, or an answer was lost)."},
      {"rollcall_stream_interruptions_total", "counter", "provider, code",
       "Failed answers and ended streams, by error code; ENDED if the backend closed in order."},
      {"rollcall_subscribers", "gauge", "bridge", "Open subscriptions."},
      {"rollcall_subscribers_ended_total", "counter", "bridge, code",
       "Subscriptions that ended, by reason (OK or an error code)."},
      {"rollcall_topology_age_seconds", "gauge", "",
       "Since the topology was last confirmed; absent without a topology."},
      {"rollcall_topology_blocked_members", "gauge", "", "Members that are shown as blocked."},
      {"rollcall_topology_members", "gauge", "status", "Members: READY, DRAINING or NOT_READY."},
      {"rollcall_topology_stale", "gauge", "",
       "1 while the topology is not confirmed by the active provider."},
      {"rollcall_uptime_seconds", "gauge", "", "Since the sidecar started, in monotonic time."},
      {"rollcall_validation_holds_total", "counter", "provider",
       "How often a provider was held back because its answers kept failing validation."},
  };
}

}  // namespace

const std::vector<MetricInfo>& ProvisioningMetrics::reference() {
  static const std::vector<MetricInfo> kAll = all_metrics();
  return kAll;
}

std::string ProvisioningMetrics::reference_markdown() {
  std::string out = "| metric | type | labels | meaning |\n|---|---|---|---|\n";
  for (const MetricInfo& info : reference()) {
    out += "| `" + std::string(info.name) + "` | " + std::string(info.type) + " | " +
           std::string(info.labels) + " | " + std::string(info.help) + " |\n";
  }
  return out;
}

const MetricInfo* find_metric(std::string_view name) {
  const auto& all = ProvisioningMetrics::reference();
  const auto found = std::lower_bound(
      all.begin(), all.end(), name,
      [](const MetricInfo& info, std::string_view wanted) { return info.name < wanted; });
  return found != all.end() && found->name == name ? &*found : nullptr;
}

}  // namespace rollcall
