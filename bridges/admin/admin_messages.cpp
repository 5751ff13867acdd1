#include "bridges/admin/admin_messages.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "bridges/codec/event_codec.h"

namespace rollcall {
namespace {

std::uint64_t age_ms(MonoTime since, MonoTime now) {
  return static_cast<std::uint64_t>(to_ms(std::max(now - since, Duration::zero())));
}

std::uint32_t count(std::size_t n) {
  return static_cast<std::uint32_t>(
      std::min<std::size_t>(n, std::numeric_limits<std::uint32_t>::max()));
}

}  // namespace

ProviderDescriptor descriptor_from(const v1::Provider& message, const std::string& path,
                                   ProblemList& problems) {
  ProviderDescriptor d;
  d.id = ProviderId(message.id());
  d.kind = message.kind();
  d.priority = message.priority();
  d.endpoints.assign(message.endpoints().begin(), message.endpoints().end());
  d.auth = {message.auth().token_file(), message.auth().ca_file(), message.auth().cert_file(),
            message.auth().key_file()};
  for (const auto& [key, value] : message.watch_params()) d.watch_params.emplace(key, value);
  if (message.standby() == "cold") {
    d.standby = Standby::Cold;
  } else if (!message.standby().empty() && message.standby() != "hot") {
    problems.add(path.empty() ? "standby" : path + ".standby", message.standby(), "hot or cold");
  }
  if (message.has_enabled()) d.enabled = message.enabled();
  return d;
}

v1::Provider to_message(const ProviderDescriptor& d) {
  v1::Provider m;
  m.set_id(d.id.str());
  m.set_kind(d.kind);
  m.set_priority(d.priority);
  for (const std::string& e : d.endpoints) m.add_endpoints(e);
  if (!(d.auth == AuthRef{})) {
    m.mutable_auth()->set_token_file(d.auth.token_file);
    m.mutable_auth()->set_ca_file(d.auth.ca_file);
    m.mutable_auth()->set_cert_file(d.auth.cert_file);
    m.mutable_auth()->set_key_file(d.auth.key_file);
  }
  for (const auto& [key, value] : d.watch_params) (*m.mutable_watch_params())[key] = value;
  m.set_standby(std::string(to_string(d.standby)));
  m.set_enabled(d.enabled);
  m.set_disabled_reason(d.disabled_reason);
  m.set_origin(std::string(to_string(d.origin)));
  return m;
}

ClusterNode node_from(const v1::Node& message, ProblemList& problems) {
  ClusterNode n;
  n.id = NodeId(message.id());
  n.host = message.host();
  if (message.port() > std::numeric_limits<std::uint16_t>::max()) {
    problems.add("node.port", std::to_string(message.port()), "a port, at most 65535");
  } else {
    n.port = static_cast<std::uint16_t>(message.port());
  }
  n.zone = message.zone();
  for (const auto& [key, value] : message.labels()) n.labels.emplace(key, value);
  if (message.weight() != 0) n.weight = message.weight();
  switch (message.status()) {
    case v1::NODE_STATUS_UNSPECIFIED:
    case v1::NODE_STATUS_READY:
      break;
    case v1::NODE_STATUS_DRAINING:
      n.status = NodeStatus::Draining;
      break;
    case v1::NODE_STATUS_NOT_READY:
      n.status = NodeStatus::NotReady;
      break;
    default:
      problems.add("node.status", std::to_string(message.status()), "READY, DRAINING or NOT_READY");
  }
  n.incarnation = message.incarnation();
  auto declared = n.labels.find(std::string(kIncarnationKey));
  if (n.incarnation.empty() && declared != n.labels.end()) n.incarnation = declared->second;
  problems.add_all(validate_node(n, "node"));
  return n;
}

void fill(const ProviderStatus& status, MonoTime now, std::uint32_t order, v1::ProviderState& out) {
  *out.mutable_provider() = to_message(status.spec.descriptor);
  out.set_active(status.active);
  out.set_pinned(status.pinned);
  out.set_health(to_proto(status.health));
  if (status.ever_answered) {
    out.set_last_confirmed_unix_ms(to_unix_ms(status.observed_at));
    out.set_confirmed_age_ms(age_ms(status.confirmed_at, now));
  }
  out.set_consecutive_errors(status.consecutive_errors);
  if (status.last_error) out.set_last_error_code(std::string(to_string(*status.last_error)));
  out.set_last_error(status.last_error_detail);
  out.set_held(status.held);
  out.set_held_reason(status.held_reason);
  out.set_capability_missing(status.spec.missing_capability.has_value());
  out.set_missing_capability(status.spec.missing_capability.value_or(""));
  out.set_accepted_unreachable(status.spec.accepted_unreachable);
  out.set_members(count(status.view.size()));
  out.set_view_hash(status.view.hash());
  out.set_backend_index(status.backend_index);
  out.set_watching(status.watching);
  out.set_order(order);
}

void fill(const ServiceStatus& status, const NodeId& id, v1::GetMemberResponse& out) {
  if (const Member* member = status.topology.members.find(id)) {
    to_proto(*member, out.mutable_node());
  }
  std::vector<const ProviderStatus*> ranked;
  for (const ProviderStatus& provider : status.providers) {
    if (provider.view.find(id) != nullptr) ranked.push_back(&provider);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto* a, const auto* b) {
    return a->spec.descriptor.priority > b->spec.descriptor.priority;
  });
  for (const ProviderStatus* provider : ranked) {
    v1::MemberListing& listing = *out.add_listings();
    listing.set_provider_id(provider->spec.descriptor.id.str());
    to_proto(*provider->view.find(id), listing.mutable_node());
    listing.set_health(to_proto(provider->health));
    listing.set_active(provider->active);
    if (provider->ever_answered) {
      listing.set_confirmed_age_ms(age_ms(provider->confirmed_at, status.at));
    }
  }
}

void fill(const PlanStep& step, v1::PlanStep& out) {
  out.set_id(step.id.str());
  switch (step.action) {
    case PlanStep::Action::Keep:
      out.set_action(v1::PlanStep::ACTION_KEEP);
      break;
    case PlanStep::Action::Add:
      out.set_action(v1::PlanStep::ACTION_ADD);
      break;
    case PlanStep::Action::Update:
      out.set_action(v1::PlanStep::ACTION_UPDATE);
      break;
    case PlanStep::Action::Remove:
      out.set_action(v1::PlanStep::ACTION_REMOVE);
      break;
  }
  for (const std::string& field : step.changed_fields) out.add_changed_fields(field);
  out.set_restarts_stream(step.restarts_stream);
}

void fill(const KindInfo& info, v1::Kind& out) {
  out.set_kind(std::string(info.kind));
  out.set_summary(std::string(info.summary));
  out.set_needs_endpoints(info.needs_endpoints);
  out.set_announces(info.announces);
  for (const ParamSpec& p : info.params) {
    v1::KindParam& m = *out.add_params();
    m.set_name(std::string(p.name));
    m.set_type(std::string(p.type));
    m.set_default_value(std::string(p.fallback));
    m.set_required(p.required);
    m.set_doc(std::string(p.doc));
  }
}

void fill(const ConsumerStatus& consumer, v1::ConsumerState& out) {
  out.set_bridge(std::string(to_string(consumer.bridge)));
  out.set_consumer_id(consumer.consumer_id);
  out.set_connected(consumer.open);
  out.set_acknowledges(consumer.acknowledges);
  out.set_sent_seq(consumer.position.value());
  out.set_acknowledged_seq(consumer.acknowledged.value());
  out.set_lag_events(consumer.lag);
}

void fill(const StoreStatus& store, v1::StoreState& out) {
  out.set_kind(store.kind);
  out.set_where(store.where);
  out.set_state(std::string(to_string(store.state)));
  out.set_reached(store.contact_age.has_value());
  if (store.contact_age) {
    out.set_contact_age_ms(
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, to_ms(*store.contact_age))));
  }
  if (store.seen) out.set_shared_revision(store.seen->value());
  if (!store.trouble) return;
  out.set_error_code(std::string(to_string(store.trouble->code)));
  out.set_error(store.trouble->message);
}

void fill(const OperatorNotice& notice, v1::OperatorEvent& out) {
  out.set_index(notice.index);
  out.set_at_unix_ms(to_unix_ms(notice.at));
  out.set_level(std::string(to_string(notice.level)));
  out.set_event(notice.event);
  out.set_provider_id(notice.provider.str());
  if (notice.code) out.set_code(std::string(to_string(*notice.code)));
  out.set_message(notice.message);
}

void fill(const AnnounceStatus& status, MonoTime now, v1::AnnouncementState& out) {
  out.set_provider_id(status.provider.str());
  out.set_state(std::string(to_string(status.state)));
  out.set_since_ms(age_ms(status.since, now));
  out.set_listed_as(status.listed_as.str());
  if (status.last_success) out.set_last_success_unix_ms(to_unix_ms(*status.last_success));
  out.set_registrations(status.registrations);
  out.set_renewals(status.renewals);
  out.set_lost(status.lost);
  out.set_missing(status.missing);
  if (status.last_error) out.set_last_error_code(std::string(to_string(*status.last_error)));
  out.set_last_error(status.last_error_detail);
}

void fill(const ServiceStatus& status, v1::GetStatusResponse& out) {
  const TopologySnapshot& t = status.topology;
  out.set_epoch(t.epoch.value());
  out.set_seq_no(t.seq_no.value());
  out.set_snapshot_hash(t.hash());
  out.set_hash_version(kHashVersion);
  out.set_availability(to_proto(t.availability));
  out.set_availability_reason(t.availability_reason);
  out.set_stale(t.stale);
  if (t.has_topology) out.set_age_ms(age_ms(t.confirmed_at, status.at));
  out.set_has_topology(t.has_topology);
  out.set_active_provider(t.active.str());
  out.set_active_health(to_proto(t.active_health));
  if (status.pinned) out.set_pinned_provider(status.pinned->str());
  if (status.pinned_until && *status.pinned_until > status.at)
    out.set_pin_remaining_ms(static_cast<std::uint64_t>(to_ms(*status.pinned_until - status.at)));
  const auto by_status = t.members.count_by_status();
  out.set_members(count(t.members.size()));
  out.set_ready(count(by_status[static_cast<std::size_t>(NodeStatus::Ready) - 1]));
  out.set_draining(count(by_status[static_cast<std::size_t>(NodeStatus::Draining) - 1]));
  out.set_not_ready(count(by_status[static_cast<std::size_t>(NodeStatus::NotReady) - 1]));
  out.set_blocked(count(t.members.blocked_count()));
  out.set_draining_sidecar(t.draining);
  out.set_removals_held(count(status.removals_held));
}

}  // namespace rollcall
