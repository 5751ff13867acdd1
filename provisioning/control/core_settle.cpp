// Deciding, and telling in the order of SPEC 5: stream_terminated, pausing availability_changed,
// provider_changed, delta, remote_topology, resuming availability_changed.
#include <algorithm>
#include <utility>

#include "provisioning/control/core_impl.h"

namespace rollcall {

void ProvisioningCore::Impl::settle(Causes causes) {
  if (!draining_) failover_.advance(now_);
  if (causes.terminated) publish(*causes.terminated);
  tell_healths(Turn::Worse);  // before the rest; better health after it
  for (event::HealthWarning& warning : causes.warnings) publish(std::move(warning));

  std::optional<RoleChange> role;
  if (!draining_) {
    role = failover_.elect(!topology_.members().empty(), causes.by_operator, now_);
  }
  const TopologyChange change = follow_active(causes, role.has_value());
  const AvailabilityState next = availability_now();
  // Whatever stops placement is told before what it is to be stopped for.
  const bool pausing = next.paused && (!told_availability_.paused ||
                                       next.availability == Availability::Unavailable ||
                                       next.availability == Availability::Draining);
  if (pausing) tell_availability(next);
  if (role) {
    publish(event::ProviderChanged{role->from, role->to, role->reason});
    notice(role->to.empty() ? effect::Notice::Level::Error : effect::Notice::Level::Info,
           "provider_changed", role->to.empty() ? role->from : role->to, std::nullopt,
           std::string(to_string(role->reason)) + ": from '" + role->from.str() + "' to '" +
               role->to.str() + "'");
  }
  if (const ProviderRecord* active = failover_.active(); active != nullptr && !draining_) {
    const bool confirmed =
        role || (merging() ? causes.answered.has_value() : causes.answered == active->id());
    snapshot_.confirmed_at = confirmed_at();
    told_observed_at_ = teller(causes)->times.observed_at;
    if (confirmed) effects_.list.push_back(effect::TopologyConfirmed{});
  }
  tell_change(change, teller(causes));
  tell_healths(Turn::Better);
  tell_guard();
  if (!pausing) tell_availability(next);

  run_streams();
  note_health();
  note_lives(change);
  ledger_.expire(now_);
  unblock_refreshed();
  write_blocks();
}

TopologyChange ProvisioningCore::Impl::follow_active(const Causes& causes, bool role_changed) {
  TopologyChange change;
  if (draining_) return change;
  // Only a confirmed answer changes the topology: this one, or the last one of who just took over.
  if (const MemberMap* view = view_to_follow(causes, role_changed)) {
    const LeaveGuardPolicy& policy = policy_.leave_guard;
    const std::size_t members = topology_.members().size();
    Topology::Followed followed = topology_.follow(
        *view,
        [this](const NodeId& id, const std::string& life) { return ledger_.blocks(id, life); },
        [&](std::size_t count) {
          if (!policy.enabled) return true;
          if (guard_.exceeds(policy, count, members, now_)) return false;
          guard_.removed(count, now_);
          return true;
        });
    for (const NodeId& id : followed.kept) guard_.hold(id, {now_, teller(causes)->id()});
    for (const NodeId& id : followed.returned) guard_.forget(id);
    change = std::move(followed.change);
    has_topology_ = true;
  }
  if (!guard_.held().empty()) release_held(causes, change);
  return change;
}

// By the active provider; merged, by the one whose answer lacked the node.
bool ProvisioningCore::Impl::confirmed_since(const NodeId& id, const LeaveGuard::Held& held) const {
  const ProviderRecord* record = merging() ? failover_.find(held.provider) : failover_.active();
  const bool fresh = record != nullptr && record->view &&
                     record->health.phase() == ProviderHealth::Phase::Healthy &&
                     record->health.confirmed_at() > held.since;
  return fresh && (merging() ? merged_.members() : *record->view).find(id) == nullptr;
}

// Who may agree to a removal that another provider's answer asked for: not an empty provider, that
// one would agree to anything. Merged, providers list different nodes: that one lacks a node says
// nothing.
std::vector<const ProviderRecord*> ProvisioningCore::Impl::second_providers() const {
  std::vector<const ProviderRecord*> out;
  if (merging()) return out;
  for (const ProviderRecord& record : failover_.records()) {
    const bool speaks = record.usable() && record.view && !record.view->empty() &&
                        record.health.phase() == ProviderHealth::Phase::Healthy;
    if (speaks && guard_.holds_beside(record.id())) out.push_back(&record);
  }
  return out;
}

// While nobody is active the topology follows no answer, and does not notice that one lists the
// node again.
bool ProvisioningCore::Impl::listed_again(
    const NodeId& id, const LeaveGuard::Held& held,
    const std::vector<const ProviderRecord*>& counting) const {
  const auto lists = [&](const ProviderRecord* record) {
    return record != nullptr && record->view && record->view->find(id) != nullptr;
  };
  if (merging()) return std::any_of(counting.begin(), counting.end(), lists);
  return failover_.active() == nullptr && lists(failover_.find(held.provider));
}

void ProvisioningCore::Impl::release_held(const Causes& causes, TopologyChange& change) {
  const LeaveGuardPolicy& policy = policy_.leave_guard;
  const auto expiry = guard_.next_expiry(policy);
  const bool due = expiry && *expiry <= now_;
  std::vector<const ProviderRecord*> seconds = second_providers();
  if (!due && !causes.release_removals && policy.enabled) {
    // Only who answered just now can have come to agree.
    std::erase_if(seconds, [&](const ProviderRecord* s) { return causes.answered != s->id(); });
    if (seconds.empty()) return;
  }
  const std::vector<const ProviderRecord*> counting = voices();
  std::vector<std::pair<NodeId, bool>> decided;  // released, or dropped
  for (const auto& entry : guard_.held()) {
    const NodeId& id = entry.first;
    const LeaveGuard::Held& why = entry.second;
    const bool over = !policy.enabled || why.since + policy.hold <= now_;
    const bool agreed = std::any_of(seconds.begin(), seconds.end(), [&](const ProviderRecord* s) {
      return s->id() != why.provider && s->health.confirmed_at() > why.since &&
             s->view->find(id) == nullptr;
    });
    const bool asked = causes.release_removals || agreed || (over && confirmed_since(id, why));
    if (!asked && !over) continue;
    decided.emplace_back(id, asked && !listed_again(id, why, counting));
  }
  if (decided.empty()) return;
  std::size_t released = 0;
  for (const auto& [id, release] : decided) {
    if (release) {
      topology_.remove(id, change);
      ++released;
    } else {
      topology_.forget_removal(id);
    }
    guard_.forget(id);
  }
  change.sort();
  notice(effect::Notice::Level::Warning, "removals_decided", failover_.active_id(), std::nullopt,
         std::to_string(released) + " held removals released, " +
             std::to_string(decided.size() - released) + " dropped");
}

ProvisioningCore::Impl::AvailabilityState ProvisioningCore::Impl::availability_now() const {
  const bool active = !failover_.active_id().empty();
  if (draining_) return {Availability::Draining, "DRAINING", true, !active};
  if (active) {
    if (topology_.members().empty()) return {Availability::Empty, "NO_MEMBERS", true, false};
    return {Availability::Available, "CONFIRMED", false, false};
  }
  bool any_enabled = false;
  for (const ProviderRecord& record : failover_.records()) any_enabled |= record.usable();
  if (!any_enabled) return {Availability::Unavailable, "NO_PROVIDERS", true, true};
  const std::string_view reason = failover_.ever_active() ? "NO_ELIGIBLE_PROVIDER" : "STARTING";
  return {Availability::Unavailable, reason, true, true};
}

void ProvisioningCore::Impl::run_streams() {
  failover_.drive_streams(now_);
  for (const StreamCommand& command : failover_.take_commands()) {
    switch (command.kind) {
      case StreamCommand::Kind::Start:
        effects_.list.push_back(effect::StartStream{command.provider, command.generation});
        break;
      case StreamCommand::Kind::Stop:
        effects_.list.push_back(effect::StopStream{command.provider, command.generation});
        if (command.wedged) {
          notice(effect::Notice::Level::Warning, "stream_restarted", command.provider,
                 ErrorCode::Timeout, "the stream said nothing for its whole timeout");
        }
        break;
      case StreamCommand::Kind::Resume:
        effects_.list.push_back(
            effect::ResumeStream{command.provider, command.generation, command.not_before});
        break;
    }
  }
}

}  // namespace rollcall
