#include "provisioning/service/metrics_sample.h"

#include <algorithm>
#include <chrono>

namespace rollcall {
namespace {

double seconds(Duration d) {
  return std::chrono::duration_cast<std::chrono::duration<double>>(d).count();
}

MetricsSample::Provider provider_sample(const ProviderStatus& p) {
  MetricsSample::Provider s;
  s.id = p.spec.descriptor.id;
  s.kind = p.spec.descriptor.kind;
  s.health = p.health;
  s.ever_answered = p.ever_answered;
  s.last_update = p.observed_at;
  s.active = p.active;
  s.enabled = p.spec.descriptor.enabled;
  s.held = p.held;
  s.watching = p.watching;
  s.capability_missing = p.spec.missing_capability.has_value();
  s.accepted_unreachable = p.spec.accepted_unreachable;
  s.consecutive_errors = p.consecutive_errors;
  s.members = p.view.size();
  return s;
}

std::optional<MetricsSample::SharedStore> store_sample(const StoreStatus& store) {
  using State = StoreStatus::State;
  if (store.state == State::Own) return std::nullopt;
  MetricsSample::SharedStore s;
  s.following = store.state == State::Following;
  s.reached = s.following || store.state == State::Refused;
  s.seen = store.seen.value_or(Revision());
  s.contact = store.contact_at;
  return s;
}

MetricsSample::Consumer consumer_sample(const ConsumerStatus& c, SeqNo head) {
  MetricsSample::Consumer s;
  s.bridge = to_string(c.bridge);
  s.consumer_id = c.consumer_id;
  s.connected = c.open;
  s.acknowledges = c.acknowledges;
  s.lag_events = c.lag;
  if (c.acknowledges && c.acknowledged.value() != 0 && head > c.acknowledged)
    s.unacknowledged_events = head.value() - c.acknowledged.value();
  return s;
}

}  // namespace

MetricsSample make_sample(const SampleSources& sources) {
  const ServiceStatus& status = *sources.status;
  const TopologySnapshot& t = status.topology;
  MetricsSample s;
  for (const ProviderStatus& p : status.providers) s.providers.push_back(provider_sample(p));
  for (const ConsumerStatus& c : sources.consumers)
    s.consumers.push_back(consumer_sample(c, t.seq_no));
  s.has_topology = t.has_topology;
  s.members_by_status = t.members.count_by_status();
  s.blocked = t.members.blocked_count();
  if (s.blocked != 0) {  // rare, and at a scrape: then it is worth a walk
    t.members.for_each([&](const Member& m) {
      if (m.blocked) ++s.blocked_by_status[static_cast<std::size_t>(m.node->status) - 1];
    });
  }
  s.topology_observed_at = t.observed_at;
  s.blocks = status.blocks;
  s.topology_age_seconds = seconds(std::max(status.at - t.confirmed_at, Duration::zero()));
  s.stale = t.stale;
  s.availability = t.availability;
  s.placement_paused = t.placement_paused;
  s.removals_held = status.removals_held;
  s.epoch = t.epoch;
  s.seq_no = t.seq_no;
  s.revision = sources.revision;
  s.shared_store = store_sample(sources.store);
  s.leases = t.leases ? t.leases->size() : 0;
  s.log_bytes = sources.hub.log.bytes;
  s.log_events = static_cast<std::size_t>(sources.hub.log.events);
  s.snapshot_versions = sources.hub.snapshots.versions;
  s.snapshot_bytes = sources.hub.snapshots.bytes;
  for (std::size_t i = 0; i < sources.hub.traffic.size(); ++i) {
    const BridgeTraffic& t = sources.hub.traffic[i];
    s.traffic.push_back({to_string(static_cast<Bridge>(i + 1)), t.batches, t.events, t.bytes,
                         t.snapshots, t.acknowledgements, t.ended});
  }
  s.commands_queued = sources.commands_queued;
  s.abandoned_streams = status.abandoned_streams;
  s.uptime_seconds = seconds(sources.uptime);
  return s;
}

}  // namespace rollcall
