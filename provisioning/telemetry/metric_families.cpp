#include "provisioning/telemetry/metric_families.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <utility>

namespace rollcall {
namespace {

using Families = std::vector<prometheus::MetricFamily>;

constexpr std::array kHealthStates = {HealthState::Healthy, HealthState::Degraded,
                                      HealthState::Unreachable};
constexpr std::array kAvailabilities = {Availability::Available, Availability::Empty,
                                        Availability::Unavailable, Availability::Draining};
constexpr std::array kStatuses = {NodeStatus::Ready, NodeStatus::Draining, NodeStatus::NotReady};
constexpr std::array<const char*, 3> kBridges = {"placement", "partition", "remoting"};
constexpr std::uint64_t kSequenceMask = (std::uint64_t{1} << kSeqBootShift) - 1;

double number(bool value) { return value ? 1 : 0; }
double number(std::size_t value) { return static_cast<double>(value); }
double unix_seconds(WallTime t) { return static_cast<double>(to_unix_ms(t)) / 1000; }

void gauge(Families& out, std::string_view name, double value) {
  FamilyBuilder family(name);
  family.add(value);
  out.push_back(std::move(family).take());
}

void add_providers(Families& out, const MetricsSample& sample) {
  const auto each = [&](std::string_view name, const auto& value) {
    FamilyBuilder family(name);
    for (const auto& p : sample.providers) family.add(value(p), {p.id.str()});
    out.push_back(std::move(family).take());
  };
  using P = MetricsSample::Provider;
  each("rollcall_active_provider", [](const P& p) { return number(p.active); });
  each("rollcall_provider_enabled", [](const P& p) { return number(p.enabled); });
  each("rollcall_provider_held", [](const P& p) { return number(p.held); });
  each("rollcall_provider_watching", [](const P& p) { return number(p.watching); });
  each("rollcall_provider_capability_missing",
       [](const P& p) { return number(p.capability_missing); });
  each("rollcall_provider_accepted_unreachable",
       [](const P& p) { return number(p.accepted_unreachable); });
  each("rollcall_provider_consecutive_errors",
       [](const P& p) { return static_cast<double>(p.consecutive_errors); });
  each("rollcall_provider_members", [](const P& p) { return number(p.members); });

  FamilyBuilder info("rollcall_provider_info");
  FamilyBuilder health("rollcall_provider_health");
  FamilyBuilder updated("rollcall_provider_last_update_timestamp_seconds");
  for (const P& p : sample.providers) {
    info.add(1, {p.id.str(), p.kind});
    for (const HealthState state : kHealthStates) {
      health.add(number(p.health == state), {p.id.str(), std::string(to_string(state))});
    }
    if (p.ever_answered) updated.add(unix_seconds(p.last_update), {p.id.str()});
  }
  out.push_back(std::move(info).take());
  out.push_back(std::move(health).take());
  out.push_back(std::move(updated).take());
}

void add_topology(Families& out, const MetricsSample& sample) {
  FamilyBuilder members("rollcall_topology_members");
  for (std::size_t i = 0; i < kStatuses.size(); ++i) {
    members.add(number(sample.members_by_status[i]), {std::string(to_string(kStatuses[i]))});
  }
  out.push_back(std::move(members).take());

  // Ready and draining ones that are not blocked; everybody else can't be talked to.
  const auto open = [&](std::size_t i) {
    return sample.members_by_status[i] -
           std::min(sample.members_by_status[i], sample.blocked_by_status[i]);
  };
  const std::size_t all =
      sample.members_by_status[0] + sample.members_by_status[1] + sample.members_by_status[2];
  FamilyBuilder nodes("rollcall_remote_nodes");
  nodes.add(number(open(0)), {"up"})
      .add(number(open(1)), {"degraded"})
      .add(number(all - open(0) - open(1)), {"down"});
  out.push_back(std::move(nodes).take());

  gauge(out, "rollcall_topology_blocked_members", number(sample.blocked));
  gauge(out, "rollcall_blocks", number(sample.blocks));
  gauge(out, "rollcall_topology_stale", number(sample.stale));
  if (sample.has_topology) {
    gauge(out, "rollcall_topology_age_seconds", sample.topology_age_seconds);
    gauge(out, "rollcall_remote_nodes_last_update_timestamp_seconds",
          unix_seconds(sample.topology_observed_at));
  }
  FamilyBuilder availability("rollcall_availability");
  for (const Availability a : kAvailabilities) {
    availability.add(number(sample.availability == a), {std::string(to_string(a))});
  }
  out.push_back(std::move(availability).take());
  gauge(out, "rollcall_placement_paused", number(sample.placement_paused));
  gauge(out, "rollcall_removals_held", number(sample.removals_held));
}

void add_consumers(Families& out, const MetricsSample& sample,
                   const std::function<std::string(const std::string&)>& consumer_label) {
  struct Seen {
    double connected = 0;
    double lag = 0;
    double unacknowledged = 0;
    bool acknowledges = false;
  };
  std::map<std::pair<std::string, std::string>, Seen> seen;
  std::map<std::string, double> subscribers;
  for (const char* bridge : kBridges) subscribers[bridge] = 0;
  for (const auto& consumer : sample.consumers) {
    const std::string bridge(consumer.bridge);
    if (consumer.connected) ++subscribers[bridge];
    // Those that share `other` are as late as the latest of them.
    Seen& one = seen[{bridge, consumer_label(consumer.consumer_id)}];
    one.connected += number(consumer.connected);
    one.lag = std::max(one.lag, static_cast<double>(consumer.lag_events));
    if (!consumer.acknowledges) continue;
    one.acknowledges = true;
    one.unacknowledged =
        std::max(one.unacknowledged, static_cast<double>(consumer.unacknowledged_events));
  }
  FamilyBuilder open("rollcall_subscribers");
  for (const auto& [bridge, count] : subscribers) open.add(count, {bridge});
  FamilyBuilder connected("rollcall_consumer_connected");
  FamilyBuilder lag("rollcall_consumer_lag_events");
  FamilyBuilder unacknowledged("rollcall_consumer_unacknowledged_events");
  for (const auto& [key, one] : seen) {
    const std::vector<std::string> labels{key.first, key.second};
    connected.add(one.connected, labels);
    lag.add(one.lag, labels);
    if (one.acknowledges) unacknowledged.add(one.unacknowledged, labels);
  }
  for (FamilyBuilder* family : {&open, &connected, &lag, &unacknowledged}) {
    out.push_back(std::move(*family).take());
  }
}

void add_traffic(Families& out, const MetricsSample& sample) {
  using T = MetricsSample::Traffic;
  const auto each = [&](std::string_view name, std::uint64_t T::*count) {
    FamilyBuilder family(name);
    for (const T& t : sample.traffic) {
      family.add(static_cast<double>(t.*count), {std::string(t.bridge)});
    }
    out.push_back(std::move(family).take());
  };
  each("rollcall_batches_sent_total", &T::batches);
  each("rollcall_events_sent_total", &T::events);
  each("rollcall_sent_bytes_total", &T::bytes);
  each("rollcall_snapshots_sent_total", &T::snapshots);
  each("rollcall_acknowledgements_total", &T::acknowledgements);
  FamilyBuilder ended("rollcall_subscribers_ended_total");
  for (const T& t : sample.traffic) {
    for (std::size_t i = 0; i < t.ended.size(); ++i) {
      if (i != 0 && t.ended[i] == 0) continue;
      const std::string_view code = i == 0 ? "OK" : to_string(static_cast<ErrorCode>(i));
      ended.add(static_cast<double>(t.ended[i]), {std::string(t.bridge), std::string(code)});
    }
  }
  out.push_back(std::move(ended).take());
}

void add_announcements(Families& out, const MetricsSample& sample) {
  FamilyBuilder states("rollcall_announce_state");
  FamilyBuilder success("rollcall_announce_last_success_timestamp_seconds");
  for (const auto& a : sample.announcements) {
    for (const std::string_view state : sample.announce_states) {
      states.add(number(a.state == state), {a.provider.str(), std::string(state)});
    }
    if (a.last_success) success.add(unix_seconds(*a.last_success), {a.provider.str()});
  }
  out.push_back(std::move(states).take());
  out.push_back(std::move(success).take());
}

// Absent where the store is a file.
void add_shared_store(Families& out, const MetricsSample& sample) {
  if (!sample.shared_store) return;
  const MetricsSample::SharedStore& store = *sample.shared_store;
  gauge(out, "rollcall_shared_store_reached", number(store.reached));
  gauge(out, "rollcall_shared_store_following", number(store.following));
  gauge(out, "rollcall_shared_store_revision", static_cast<double>(store.seen.value()));
  if (store.contact) {
    gauge(out, "rollcall_shared_store_last_contact_timestamp_seconds",
          unix_seconds(*store.contact));
  }
}

}  // namespace

std::vector<std::string> label_names(const MetricInfo& info) {
  std::vector<std::string> names;
  std::string_view rest = info.labels;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(", ");
    names.emplace_back(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 2);
  }
  return names;
}

FamilyBuilder::FamilyBuilder(std::string_view name) {
  const MetricInfo* info = find_metric(name);
  if (info == nullptr) std::abort();
  family_.name = std::string(name);
  family_.help = std::string(info->help);
  family_.type =
      info->type == "counter" ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge;
  label_names_ = label_names(*info);
}

FamilyBuilder& FamilyBuilder::add(double value, const std::vector<std::string>& labels) {
  if (labels.size() != label_names_.size()) std::abort();
  prometheus::ClientMetric metric;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    metric.label.push_back({label_names_[i], labels[i]});
  }
  metric.gauge.value = value;
  metric.counter.value = value;
  family_.metric.push_back(std::move(metric));
  return *this;
}

std::vector<prometheus::MetricFamily> sample_families(
    const MetricsSample& sample, std::string_view version,
    const std::function<std::string(const std::string&)>& consumer_label) {
  Families out;
  FamilyBuilder build("rollcall_build_info");
  build.add(1, {std::string(version)});
  out.push_back(std::move(build).take());
  add_providers(out, sample);
  add_topology(out, sample);
  add_consumers(out, sample, consumer_label);
  add_traffic(out, sample);
  add_announcements(out, sample);
  gauge(out, "rollcall_boot_number", static_cast<double>(sample.epoch.value() >> kEpochBootShift));
  gauge(out, "rollcall_event_sequence", static_cast<double>(sample.seq_no.value() & kSequenceMask));
  gauge(out, "rollcall_registry_revision", static_cast<double>(sample.revision.value()));
  add_shared_store(out, sample);
  gauge(out, "rollcall_leases", number(sample.leases));
  gauge(out, "rollcall_log_bytes", number(sample.log_bytes));
  gauge(out, "rollcall_log_events", number(sample.log_events));
  gauge(out, "rollcall_snapshot_versions", number(sample.snapshot_versions));
  gauge(out, "rollcall_snapshot_bytes", number(sample.snapshot_bytes));
  gauge(out, "rollcall_commands_queued", number(sample.commands_queued));
  gauge(out, "rollcall_abandoned_streams", number(sample.abandoned_streams));
  gauge(out, "rollcall_uptime_seconds", sample.uptime_seconds);
  return out;
}

}  // namespace rollcall
