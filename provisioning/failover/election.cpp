// FailoverController, the part that decides who is active (SPEC 3 "Failover", "Start").
#include <algorithm>
#include <utility>

#include "provisioning/failover/failover_controller.h"

namespace rollcall {
namespace {

using Phase = ProviderHealth::Phase;

void take_earliest(std::optional<MonoTime>& earliest, std::optional<MonoTime> at, MonoTime now) {
  if (at && *at > now && (!earliest || *at < *earliest)) earliest = at;
}

}  // namespace

bool FailoverController::outranks(const ProviderRecord& a, const ProviderRecord& b) const {
  const auto pa = a.spec.descriptor.priority;
  const auto pb = b.spec.descriptor.priority;
  return pa != pb ? pa > pb : &a < &b;  // records are in registration order
}

// Only Unreachable, disable, remove, hold or switch takes the active role away.
bool FailoverController::keeps_role(const ProviderRecord& record) const {
  return record.usable() && record.health.phase() != Phase::Unreachable &&
         record.health.phase() != Phase::Idle;
}

bool FailoverController::still_awaited(const ProviderRecord& record) const {
  if (!record.usable() || ever_active_) return false;
  // Before its stream is first started it is awaited too, if it is to be started: a cold one once
  // nothing better is left.
  return record.health.phase() == Phase::Starting ||
         (record.health.phase() == Phase::Idle && wanted(record));
}

std::optional<MonoTime> FailoverController::cooldown_until(const ProviderRecord& record) const {
  if (!record.lost_role || record.health.phase() != Phase::Healthy) return std::nullopt;
  return record.health.healthy_since() + policy_.cooldown;
}

bool FailoverController::eligible(const ProviderRecord& record, bool topology_has_members,
                                  MonoTime now) const {
  if (!record.usable() || record.health.phase() != Phase::Healthy || !record.view) return false;
  if (topology_has_members && record.view->empty()) return false;
  const auto cooldown = cooldown_until(record);
  if (cooldown && *cooldown > now) return false;
  // Start: whoever ranks higher and may still answer is waited for.
  return std::none_of(records_.begin(), records_.end(), [&](const ProviderRecord& better) {
    return outranks(better, record) && still_awaited(better);
  });
}

FailoverController::Choice FailoverController::choose(bool topology_has_members,
                                                      MonoTime now) const {
  const ProviderRecord* active = this->active();
  if (active != nullptr && !keeps_role(*active)) active = nullptr;
  if (pin_) {
    const ProviderRecord* pinned = find(pin_->provider);
    if (pinned != nullptr && pinned == active) return {pinned->id(), true};
    if (pinned != nullptr && pinned->usable() && pinned->view &&
        pinned->health.phase() == Phase::Healthy) {
      // The operator chose an empty provider once; it does not come back by itself.
      const bool empty = topology_has_members && pinned->view->empty();
      if (!empty || !pin_->used) return {pinned->id(), true};
    }
  }
  const ProviderRecord* best = active;
  for (const ProviderRecord& record : records_) {
    if (&record == active || !eligible(record, topology_has_members, now)) continue;
    if (best == nullptr || outranks(record, *best)) best = &record;
  }
  return {best == nullptr ? ProviderId() : best->id(), false};
}

FailoverReason FailoverController::reason_for(const Choice& choice, bool by_operator) const {
  if (choice.by_pin && !pin_->used) return FailoverReason::ManualOverride;
  if (active_.empty()) return FailoverReason::Recovered;
  const ProviderRecord* loser = active();
  if (loser == nullptr || !loser->spec.descriptor.enabled || loser->spec.missing_capability) {
    return FailoverReason::ManualOverride;
  }
  if (loser->hold.held()) return FailoverReason::HealthDegraded;
  if (loser->health.phase() == Phase::Unreachable) return loser->health.cause();
  return by_operator ? FailoverReason::ManualOverride : FailoverReason::Recovered;
}

std::optional<RoleChange> FailoverController::elect(bool topology_has_members, bool by_operator,
                                                    MonoTime now) {
  if (stopped_) return std::nullopt;
  const Choice choice = choose(topology_has_members, now);
  if (choice.provider == active_) {
    if (choice.by_pin) pin_->used = true;
    return std::nullopt;
  }
  RoleChange change{active_, choice.provider, reason_for(choice, by_operator)};
  if (ProviderRecord* loser = find(active_)) loser->lost_role = true;
  if (choice.by_pin) pin_->used = true;
  active_ = choice.provider;
  if (!active_.empty()) ever_active_ = true;
  return change;
}

void FailoverController::advance(MonoTime now) {
  if (stopped_) return;
  for (ProviderRecord& record : records_) record.health.advance(limits(record), now);
  if (pin_ && pin_->until <= now) pin_.reset();
}

std::optional<ProviderId> FailoverController::pinned() const {
  if (!pin_) return std::nullopt;
  return pin_->provider;
}

std::optional<MonoTime> FailoverController::pinned_until() const {
  if (!pin_) return std::nullopt;
  return pin_->until;
}

std::optional<MonoTime> FailoverController::deadline(MonoTime now) const {
  std::optional<MonoTime> earliest;
  if (stopped_) return earliest;
  if (pin_) take_earliest(earliest, pin_->until, now);
  for (const ProviderRecord& record : records_) {
    const ProviderHealth::Limits limit = limits(record);
    take_earliest(earliest, record.health.deadline(limit), now);
    take_earliest(earliest, cooldown_until(record), now);
    if (record.stream == StreamState::Resting) take_earliest(earliest, record.restart_at, now);
    if (record.stream == StreamState::Running) {
      take_earliest(earliest, record.heard_at + limit.timeout, now);
    }
  }
  return earliest;
}

}  // namespace rollcall
