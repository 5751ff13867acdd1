#include "provisioning/control/leave_guard.h"

namespace rollcall {

bool LeaveGuard::exceeds(const LeaveGuardPolicy& policy, std::size_t removals, std::size_t members,
                         MonoTime now) {
  while (!window_.empty() && now - window_.front().at >= policy.hold) {
    in_window_ -= window_.front().count;
    window_.pop_front();
  }
  const auto before = static_cast<double>(members + in_window_);
  return static_cast<double>(removals + in_window_) > policy.max_share * before;
}

void LeaveGuard::removed(std::size_t count, MonoTime now) {
  if (count == 0) return;
  in_window_ += count;
  // One entry for all removals of the same moment, so that the list stays as short as the answers.
  if (!window_.empty() && window_.back().at == now) {
    window_.back().count += count;
  } else {
    window_.push_back({now, count});
  }
  if (window_.size() > kMaxBatches) {
    // The two oldest become one that counts as long as the younger: cautious, and bounded.
    window_[1].count += window_[0].count;
    window_.pop_front();
  }
}

void LeaveGuard::hold(const NodeId& id, Held held) {
  const auto [it, added] = held_.emplace(id, std::move(held));
  if (!added) return;
  ++by_since_[it->second.since];
  ++by_provider_[it->second.provider];
}

void LeaveGuard::forget(const NodeId& id) {
  const auto it = held_.find(id);
  if (it == held_.end()) return;
  const auto since = by_since_.find(it->second.since);
  if (--since->second == 0) by_since_.erase(since);
  const auto provider = by_provider_.find(it->second.provider);
  if (--provider->second == 0) by_provider_.erase(provider);
  held_.erase(it);
}

bool LeaveGuard::holds_beside(const ProviderId& provider) const {
  const auto own = by_provider_.find(provider);
  return held_.size() > (own == by_provider_.end() ? 0 : own->second);
}

std::optional<MonoTime> LeaveGuard::next_expiry(const LeaveGuardPolicy& policy) const {
  if (by_since_.empty()) return std::nullopt;
  return by_since_.begin()->first + policy.hold;
}

}  // namespace rollcall
