// Whose answers make the topology: the active provider's, or (topology.mode: merge) everybody's.
#include <algorithm>
#include <utility>

#include "provisioning/control/core_impl.h"

namespace rollcall {

using Phase = ProviderHealth::Phase;

bool ProvisioningCore::Impl::merging() const { return policy_.mode == TopologyMode::Merge; }

void ProvisioningCore::Impl::take_policy(const FailoverPolicy& policy) {
  const bool was = merging();
  const bool other = policy.mode != policy_.mode || policy.identity != policy_.identity;
  policy_ = policy;
  failover_.set_policy(policy_);
  if (!other) return;
  refollow_ = true;
  if (was && merging()) return;
  merged_ = {};
  contributors_.clear();
  unattributed_.reset();
  told_healths_.clear();
  if (!merging()) return;
  if (failover_.active() != nullptr) told_healths_[failover_.active_id()] = told_health_;
  note_contributors();
}

// Whose last confirmed answer counts. One that is Unreachable or held back no longer adds or
// changes anything, but what it listed stays until it says otherwise itself, or an operator takes
// it away.
std::vector<const ProviderRecord*> ProvisioningCore::Impl::voices() const {
  std::vector<const ProviderRecord*> out;
  if (!merging()) {
    if (const ProviderRecord* active = failover_.active(); active != nullptr && active->view) {
      out.push_back(active);
    }
    return out;
  }
  std::vector<const ProviderRecord*> silent;
  for (const ProviderRecord* record : failover_.ranked()) {
    if (!contributors_.contains(record->id()) || !record->view) continue;
    const bool heard = !record->hold.held() && record->health.phase() != Phase::Unreachable;
    (heard ? out : silent).push_back(record);
  }
  out.insert(out.end(), silent.begin(), silent.end());
  return out;
}

// Who answered while merging, and who is heard and answered before, in the other mode or while it
// was held back: that it is Healthy now is by that answer. Whoever was Unreachable then counts once
// it answers again.
void ProvisioningCore::Impl::note_contributors() {
  for (const ProviderRecord& record : failover_.records()) {
    const Phase phase = record.health.phase();
    const bool heard = phase == Phase::Healthy || phase == Phase::Degraded;
    if (record.usable() && record.view && heard) contributors_.insert(record.id());
  }
  std::erase_if(contributors_, [this](const ProviderId& id) {
    const ProviderRecord* record = failover_.find(id);
    return record == nullptr || !record->spec.descriptor.enabled ||
           record->spec.missing_capability.has_value();
  });
  if (!unattributed_) return;
  // What an earlier run left may be anybody's: it stays until everybody who can has answered.
  const auto& records = failover_.records();
  const bool awaited = std::any_of(records.begin(), records.end(), [this](const auto& record) {
    return record.usable() && !contributors_.contains(record.id());
  });
  if (!awaited) unattributed_.reset();
}

const MemberMap& ProvisioningCore::Impl::merge_views() {
  note_contributors();
  std::vector<MergedView::Contribution> ranked;
  for (const ProviderRecord* record : voices()) ranked.push_back({record->id(), *record->view});
  if (unattributed_) ranked.push_back({ProviderId(), *unattributed_});
  return merged_.update(std::move(ranked), policy_.identity);
}

// What the topology is to follow in this step; null: nothing.
const MemberMap* ProvisioningCore::Impl::view_to_follow(const Causes& causes, bool role_changed) {
  const ProviderRecord* active = failover_.active();
  const bool again = std::exchange(refollow_, false);
  if (active == nullptr || !active->view) return nullptr;
  if (!merging()) {
    const bool told = role_changed || again || causes.answered == active->id();
    return told ? &*active->view : nullptr;
  }
  const MemberMap before = merged_.members();
  const MemberMap& now = merge_views();
  const bool told = role_changed || again || causes.answered || !now.same_version(before);
  if (!told) return nullptr;
  if (now.size() > limits::kMaxMembers) {
    notice(effect::Notice::Level::Error, "merge_refused", causes.answered.value_or(active->id()),
           ErrorCode::LimitExceeded,
           "the providers list " + std::to_string(now.size()) + " members together, at most " +
               std::to_string(limits::kMaxMembers) + " are taken; the topology stays as it was");
    return nullptr;
  }
  return &now;
}

// Who is named as the source of what a step changed.
const ProviderRecord* ProvisioningCore::Impl::teller(const Causes& causes) const {
  if (merging() && causes.answered) return failover_.find(*causes.answered);
  return failover_.active();
}

// The topology is as old as the oldest answer in it.
MonoTime ProvisioningCore::Impl::confirmed_at() const {
  MonoTime oldest = failover_.active()->health.confirmed_at();
  if (!merging()) return oldest;
  for (const ProviderRecord* record : voices()) {
    oldest = std::min(oldest, record->health.confirmed_at());
  }
  return oldest;
}

}  // namespace rollcall
