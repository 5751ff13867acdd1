#include "provisioning/failover/failover_controller.h"

#include <algorithm>
#include <utility>

#include "core/limits.h"

namespace rollcall {

const ProviderRecord* FailoverController::find(const ProviderId& id) const {
  const auto it = std::find_if(records_.begin(), records_.end(),
                               [&](const ProviderRecord& r) { return r.id() == id; });
  return it == records_.end() ? nullptr : &*it;
}

ProviderRecord* FailoverController::find(const ProviderId& id) {
  return const_cast<ProviderRecord*>(std::as_const(*this).find(id));
}

ProviderHealth::Limits FailoverController::limits(const ProviderRecord& record) const {
  return ProviderHealth::limits(policy_, record.spec.attest_interval);
}

// --- what the operator wants --------------------------------------------------------------------

void FailoverController::set_providers(std::vector<ProviderSpec> specs) {
  std::vector<ProviderRecord> next;
  next.reserve(specs.size());
  for (ProviderSpec& spec : specs) {
    ProviderRecord* known = find(spec.descriptor.id);
    if (known != nullptr) {
      update_record(*known, std::move(spec));
      next.push_back(std::move(*known));
      known->spec.descriptor.id = ProviderId();  // moved: no longer found
    } else {
      next.emplace_back();
      next.back().spec = std::move(spec);
    }
  }
  for (ProviderRecord& gone : records_) {
    if (!gone.id().empty()) stop_stream(gone, false);
  }
  records_ = std::move(next);
  if (pin_) {
    const ProviderRecord* pinned = find(pin_->provider);
    if (pinned == nullptr || !pinned->usable()) pin_.reset();
  }
}

void FailoverController::update_record(ProviderRecord& record, ProviderSpec spec) {
  const bool same = same_backend(record.spec.descriptor, spec.descriptor);
  record.spec = std::move(spec);
  if (same) return;
  record.rollback.backend_changed();
  // Stopped here, started again by drive_streams() if it is still wanted.
  stop_stream(record, false);
  // Who is active keeps the role, and its limits go on counting from the last confirmation by the
  // old backend; merged, its members stay. Any other is not chosen for what the old backend said:
  // it has to be confirmed anew. What it said is kept, the new backend's answer is judged by it.
  if (record.id() != active_ && policy_.mode != TopologyMode::Merge) record.health.unwatch();
}

void FailoverController::restore_hold(const ProviderId& id) {
  if (ProviderRecord* record = find(id)) record->hold.restore();
}

bool FailoverController::release_hold(const ProviderId& id) {
  ProviderRecord* record = find(id);
  if (record == nullptr || !record->hold.held()) return false;
  record->hold.release();
  return true;
}

Result<void> FailoverController::pin(const ProviderId& id, Duration duration, MonoTime now) {
  const std::string name = "provider " + id.str();
  if (duration == Duration::zero()) duration = limits::kSwitchDefault;
  if (duration < Duration::zero() || duration > limits::kSwitchMax) {
    return fail(
        ErrorCode::InvalidConfig, "the switch was not made",
        {{"duration", std::to_string(to_ms(duration)) + " ms", "more than 0, at most 24 h"}});
  }
  const ProviderRecord* record = find(id);
  if (record == nullptr) return fail(ErrorCode::NotFound, name + " is not registered");
  if (policy_.mode == TopologyMode::Merge) {
    return fail(ErrorCode::InvalidConfig,
                "topology.mode is merge: every provider counts, and there is nothing to switch");
  }
  if (record->spec.missing_capability) {
    return fail(ErrorCode::CapabilityMissing,
                name + " can't be activated: " + *record->spec.missing_capability);
  }
  if (!record->spec.descriptor.enabled) {
    return fail(ErrorCode::ProviderUnhealthy, name + " is disabled; enable it first");
  }
  if (record->hold.held()) {
    return fail(ErrorCode::ProviderUnhealthy,
                name + " is held back (" + record->hold.reason() + "); enable it to release it");
  }
  // A cold standby that is not watched can't be healthy yet: the pin starts it and waits for it.
  const bool resting_cold = record->health.phase() == ProviderHealth::Phase::Idle;
  const bool healthy = record->health.phase() == ProviderHealth::Phase::Healthy;
  if (!healthy && !resting_cold && id != active_) {
    return fail(ErrorCode::ProviderUnhealthy,
                name + " is " + std::string(to_string(record->health.state())) +
                    "; a switch overrides priority and cooldown, not health");
  }
  pin_ = Pin{id, now + duration, id == active_};
  return {};
}

bool FailoverController::clear_pin() { return std::exchange(pin_, std::nullopt).has_value(); }

void FailoverController::stop_all() {
  stopped_ = true;
  pin_.reset();
  for (ProviderRecord& record : records_) stop_stream(record, false);
}

void FailoverController::set_policy(const FailoverPolicy& policy) {
  policy_ = policy;
  if (policy_.mode == TopologyMode::Merge) pin_.reset();
}

std::vector<const ProviderRecord*> FailoverController::ranked() const {
  std::vector<const ProviderRecord*> out;
  for (const ProviderRecord& record : records_) out.push_back(&record);
  std::sort(out.begin(), out.end(),
            [this](const ProviderRecord* a, const ProviderRecord* b) { return outranks(*a, *b); });
  return out;
}

// --- what was observed --------------------------------------------------------------------------

ProviderRecord* FailoverController::fence(const ProviderId& id, StreamGeneration generation) {
  ProviderRecord* record = find(id);
  if (record == nullptr || record->stream != StreamState::Running) return nullptr;
  return record->generation == generation ? record : nullptr;
}

void FailoverController::confirmed(ProviderRecord& record, MonoTime complete, MonoTime now) {
  record.heard_at = now;
  record.retry_at.reset();
  record.hold.confirmed();
  record.health.confirmed(complete, now);
  record.health.advance(limits(record), now);  // the answer may have waited long
}

Duration FailoverController::next_wait(const ProviderRecord& record) {
  const BackoffLimits limits{policy_.backoff_initial, policy_.backoff_max, policy_.backoff_jitter};
  return backoff_wait(limits, record.health.consecutive_errors(), random_);
}

bool FailoverController::failed(ProviderRecord& record, Failure failure, MonoTime now) {
  record.heard_at = now;
  record.health.failed(failure.errors, failure.code, std::move(failure.detail), policy_.max_errors);
  if (failure.waits) {
    record.retry_at = now + next_wait(record);
    record.heard_at = *record.retry_at;  // its silence is counted from there
    commands_.push_back(
        {StreamCommand::Kind::Resume, record.id(), record.generation, *record.retry_at, false});
  }
  const bool held =
      record.hold.failed(failure.invalid, policy_.hold_failures, policy_.hold_window, now);
  if (held && pin_ && pin_->provider == record.id()) pin_.reset();
  return held;
}

bool FailoverController::terminated(ProviderRecord& record, const Terminated& end, MonoTime now) {
  record.health.terminated(end.ended, end.code, end.reason);
  record.stream = StreamState::Resting;
  record.restart_at = now + next_wait(record);
  record.retry_at = record.restart_at;
  const bool invalid = !end.ended && (end.code == ErrorCode::MalformedResponse ||
                                      end.code == ErrorCode::CapabilityMissing);
  const bool held =
      record.hold.failed(invalid ? 1 : 0, policy_.hold_failures, policy_.hold_window, now);
  if (held && pin_ && pin_->provider == record.id()) pin_.reset();
  return held;
}

// --- streams ------------------------------------------------------------------------------------

void FailoverController::start_stream(ProviderRecord& record, MonoTime now) {
  generations_ = generations_.next();
  record.generation = generations_;
  record.stream = StreamState::Running;
  record.heard_at = now;
  record.health.watch(now);
  commands_.push_back(
      {StreamCommand::Kind::Start, record.id(), record.generation, MonoTime{}, false});
}

void FailoverController::stop_stream(ProviderRecord& record, bool wedged) {
  if (record.stream == StreamState::Running) {
    commands_.push_back(
        {StreamCommand::Kind::Stop, record.id(), record.generation, MonoTime{}, wedged});
  }
  record.stream = StreamState::Stopped;
}

bool FailoverController::wanted(const ProviderRecord& record) const {
  if (stopped_ || !record.spec.descriptor.enabled || record.spec.missing_capability) return false;
  if (policy_.mode == TopologyMode::Merge) return true;  // nobody stands by: each adds its members
  if (record.spec.descriptor.standby == Standby::Hot || record.id() == active_) return true;
  if (pin_ && pin_->provider == record.id()) return true;
  // Cold: only while nothing better is active and healthy, or may become so at once.
  return std::none_of(records_.begin(), records_.end(), [&](const ProviderRecord& better) {
    if (!better.usable() || !outranks(better, record)) return false;
    const ProviderHealth::Phase phase = better.health.phase();
    const bool serves = better.id() == active_ && phase == ProviderHealth::Phase::Healthy;
    // One that rests rests for a better one still, which counts here as well.
    const bool may_answer =
        phase == ProviderHealth::Phase::Starting || phase == ProviderHealth::Phase::Idle;
    return serves || (!ever_active_ && may_answer);
  });
}

void FailoverController::drive_streams(MonoTime now) {
  // In rank order would be the same: whether one is wanted depends on no stream's state below it.
  for (ProviderRecord& record : records_) {
    const bool want = wanted(record);
    if (!want && record.health.phase() != ProviderHealth::Phase::Idle) {
      stop_stream(record, false);
      record.health.unwatch();
      record.retry_at.reset();
    } else if (want && record.stream == StreamState::Stopped) {
      start_stream(record, now);
    } else if (want && record.stream == StreamState::Resting && record.restart_at <= now) {
      start_stream(record, now);
    } else if (record.stream == StreamState::Running &&
               now - record.heard_at >= limits(record).timeout) {
      // Wedged: whatever it waits for, a new stream may have better luck.
      stop_stream(record, true);
      start_stream(record, now);
    }
  }
}

std::vector<std::pair<ProviderId, HealthState>> FailoverController::take_health_changes() {
  std::vector<std::pair<ProviderId, HealthState>> out;
  for (ProviderRecord& record : records_) {
    const HealthState health = record.health.state();
    if (std::exchange(record.noted, health) != health) out.emplace_back(record.id(), health);
  }
  return out;
}

std::vector<ProviderId> FailoverController::held() const {
  std::vector<ProviderId> out;
  for (const ProviderRecord& record : records_) {
    if (record.hold.held()) out.push_back(record.id());
  }
  return out;
}

}  // namespace rollcall
