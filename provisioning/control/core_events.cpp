// Telling: every event of the log, every notice and reply is made here.
#include <algorithm>
#include <utility>

#include "provisioning/control/core_impl.h"

namespace rollcall {
namespace {

Advice advice_for(HealthState health) {
  return health == HealthState::Healthy ? Advice::None : Advice::AvoidNewChannels;
}

RemoteKind remote_kind(const Member& after) {
  return after.blocked ? RemoteKind::Blocked : RemoteKind::Unblocked;
}

// What remoting is told beside the delta. One event for a node that joins or leaves (R4.1); its
// block is in the node.
std::vector<event::RemoteTopology> remote_events(const TopologyChange& change,
                                                 const ProviderId& provider) {
  std::vector<event::RemoteTopology> out;
  for (const Member& member : change.left) out.push_back({RemoteKind::Leave, member, provider});
  for (const Member& member : change.joined) out.push_back({RemoteKind::Join, member, provider});
  for (const auto& changed : change.changed) {
    if (changed.before.blocked == changed.after.blocked) continue;
    out.push_back({remote_kind(changed.after), changed.after, provider});
  }
  return out;
}

std::size_t size_bound(const event::RemoteTopology& remote) {
  Event event;
  event.body = remote;
  return encoded_size_bound(event);
}

}  // namespace

void ProvisioningCore::Impl::publish(decltype(Event::body) body) {
  Event event;
  event.seq_no = make_seq(options_.boot, ++last_n_);
  event.epoch = options_.epoch;
  event.snapshot_hash = told_hash_;
  event.observed_at = told_observed_at_;
  event.body = std::move(body);
  effects_.list.push_back(effect::Publish{std::move(event)});
}

// R4.3. Consumers know one health, that of whoever is active: it is told whenever it differs.
// Merged, they know that of everybody whose members they have.
void ProvisioningCore::Impl::tell_healths(Turn turn) {
  if (draining_) return;
  const ProviderRecord* active = failover_.active();
  if (!merging()) {
    const bool worse = active != nullptr && active->health.state() > told_health_;
    if (turn == Turn::Better || worse) tell_health(active);
    return;
  }
  if (active != nullptr) told_health_ = active->health.state();
  std::erase_if(told_healths_,
                [this](const auto& told) { return !contributors_.contains(told.first); });
  for (const ProviderRecord* record : voices()) {
    const HealthState health = record->health.state();
    const auto known = told_healths_.find(record->id());
    const HealthState told = known == told_healths_.end() ? HealthState::Healthy : known->second;
    if (health == told || (turn == Turn::Worse && health < told)) continue;
    told_healths_[record->id()] = health;
    publish(event::HealthWarning{record->id(), health, advice_for(health)});
  }
}

void ProvisioningCore::Impl::tell_health(const ProviderRecord* record) {
  if (record == nullptr || draining_) return;
  const HealthState health = record->health.state();
  if (health == told_health_) return;
  told_health_ = health;
  publish(event::HealthWarning{record->id(), health, advice_for(health)});
}

void ProvisioningCore::Impl::tell_guard() {
  const bool held = !guard_.held().empty();
  if (held == told_removals_held_.has_value()) return;
  const ProviderId provider = held ? guard_.held().begin()->second.provider : *told_removals_held_;
  const ProviderRecord* record = failover_.find(provider);
  const HealthState health = record == nullptr ? HealthState::Unreachable : record->health.state();
  publish(event::HealthWarning{provider, health, held ? Advice::RemovalsHeld : advice_for(health)});
  if (held) {
    told_removals_held_ = provider;
    notice(effect::Notice::Level::Warning, "removals_held", provider, std::nullopt,
           std::to_string(guard_.held().size()) + " removals are held by the leave guard");
  } else {
    told_removals_held_.reset();
  }
}

void ProvisioningCore::Impl::tell_availability(const AvailabilityState& next) {
  if (next.same_to_consumers(told_availability_)) return;
  told_availability_ = next;
  publish(event::AvailabilityChanged{next.availability, std::string(next.reason), next.paused,
                                     next.stale});
}

void ProvisioningCore::Impl::tell_change(const TopologyChange& change,
                                         const ProviderRecord* source) {
  if (change.empty()) return;
  const ProviderId provider = source == nullptr ? ProviderId() : source->id();
  const std::uint64_t before = std::exchange(told_hash_, topology_.members().hash());

  event::Delta delta;
  for (const Member& member : change.left) {
    delta.left.push_back({member.id(), member.node->incarnation});
  }
  delta.joined = change.joined;
  for (const auto& changed : change.changed) delta.changed.push_back(changed.after);
  delta.invalidates_hash = before;
  delta.provider_id = provider;
  if (source != nullptr) {
    delta.source_age = std::max(Duration::zero(), now_ - source->times.complete);
  }
  Event probe;
  probe.body = std::move(delta);
  const std::size_t delta_bytes = encoded_size_bound(probe);
  std::vector<event::RemoteTopology> remote = remote_events(change, provider);
  std::size_t step_bytes = delta_bytes;
  for (const event::RemoteTopology& each : remote) step_bytes += size_bound(each);

  snapshot_.last_change = make_seq(options_.boot, last_n_ + 1);
  if (delta_bytes > limits::kMaxEventBytes || step_bytes > options_.log_bytes / 4) {
    publish(event::Reset{before, provider});
    return;
  }
  publish(std::move(probe.body));
  for (event::RemoteTopology& each : remote) publish(std::move(each));
}

void ProvisioningCore::Impl::note_health() {
  if (draining_) return;
  for (const auto& [id, health] : failover_.take_health_changes()) {
    const bool good = health == HealthState::Healthy;
    notice(good ? effect::Notice::Level::Info : effect::Notice::Level::Warning, "provider_health",
           id, std::nullopt, std::string(to_string(health)));
  }
}

void ProvisioningCore::Impl::notice(effect::Notice::Level level, std::string_view event,
                                    const ProviderId& provider, std::optional<ErrorCode> code,
                                    std::string message) {
  effects_.list.push_back(effect::Notice{level, event, provider, code, std::move(message)});
}

void ProvisioningCore::Impl::reply(RequestId request, Result<effect::ReplyOk> result) {
  effects_.list.push_back(effect::Reply{request, std::move(result)});
}

void ProvisioningCore::Impl::reply_ok(RequestId request, std::uint32_t count) {
  effect::ReplyOk ok;
  ok.count = count;
  ok.seq_no = make_seq(options_.boot, last_n_);
  ok.active = failover_.active_id();
  reply(request, std::move(ok));
}

bool ProvisioningCore::Impl::refuse_while_draining(RequestId request) {
  if (!draining_) return false;
  reply(request, fail(ErrorCode::ShuttingDown, "this sidecar is draining"));
  return true;
}

void ProvisioningCore::Impl::update_snapshot() {
  snapshot_.seq_no = make_seq(options_.boot, last_n_);
  snapshot_.has_topology = has_topology_;
  snapshot_.members = topology_.members();
  snapshot_.availability = told_availability_.availability;
  snapshot_.availability_reason = std::string(told_availability_.reason);
  snapshot_.placement_paused = told_availability_.paused;
  snapshot_.stale = told_availability_.stale;
  snapshot_.draining = draining_;
  snapshot_.observed_at = told_observed_at_;
  snapshot_.active = failover_.active_id();
  const ProviderRecord* active = failover_.active();
  snapshot_.active_health = active == nullptr ? HealthState::Unreachable : active->health.state();
  snapshot_.leases = leases_.table();
  snapshot_.lease_tick = leases_.tick();
}

std::optional<MonoTime> ProvisioningCore::Impl::next_tick() const {
  std::optional<MonoTime> earliest;
  const auto take = [&](const std::optional<MonoTime>& at) {
    if (at && *at > now_ && (!earliest || *at < *earliest)) earliest = at;
  };
  take(ledger_.deadline(now_));
  if (draining_) return earliest;
  take(failover_.deadline(now_));
  take(guard_.next_expiry(policy_.leave_guard));
  return earliest;
}

}  // namespace rollcall
