// What providers say: fencing, confirmation, failures (SPEC 3 "Answers", "Health").
#include <utility>

#include "provisioning/control/core_impl.h"

namespace rollcall {

void ProvisioningCore::Impl::on(const input::Answered& in) {
  if (draining_) return;
  const ProviderReport& report = in.report;
  ProviderRecord* record = failover_.fence(report.provider, report.generation);
  if (record == nullptr) return;  // of a stopped stream: void
  if (report.answer) {
    Causes causes;
    if (take_answer(*record, *report.answer)) causes.answered = report.provider;
    settle(std::move(causes));
    // A cold standby's stream may have been stopped by that.
    record = failover_.fence(report.provider, report.generation);
    if (record == nullptr) return;
  }
  if (report.errors_after > 0 || report.terminated) take_failures(*record, report);
}

bool ProvisioningCore::Impl::take_answer(ProviderRecord& record,
                                         const ProviderReport::Answer& answer) {
  const bool moved = record.rollback.suspicious();
  const auto verdict = record.rollback.judge(record.view, answer.view, answer.lineage,
                                             answer.times.complete, policy_.rollback_stand);
  if (verdict == RollbackGate::Verdict::Partial) {
    FailoverController::Failure failure;
    failure.code = ErrorCode::IndexRollback;
    failure.detail = "an answer that removes members has to stand for " +
                     std::to_string(to_ms(policy_.rollback_stand) / 1000) +
                     " s after the backend's history broke";
    failure.waits = false;  // the stream goes on by itself
    notice(effect::Notice::Level::Warning, "answer_partial", record.id(), failure.code,
           failure.detail);
    failover_.failed(record, std::move(failure), now_);
    return false;
  }
  if (moved) {
    notice(effect::Notice::Level::Info, "answer_confirmed_again", record.id(), std::nullopt,
           "the backend's new history was accepted");
  }
  if (merging()) contributors_.insert(record.id());
  record.view = answer.view;
  record.backend_index = answer.backend_index;
  record.times = answer.times;
  failover_.confirmed(record, answer.times.complete, now_);
  return true;
}

event::HealthWarning ProvisioningCore::Impl::held_back(const ProviderRecord& record) {
  notice(effect::Notice::Level::Error, "provider_held", record.id(), record.health.last_error(),
         record.hold.reason() + "; enable the provider to release it");
  effects_.list.push_back(effect::SaveHolds{failover_.held()});
  return {record.id(), record.health.state(), Advice::ProviderHeld};
}

void ProvisioningCore::Impl::take_failures(ProviderRecord& record, const ProviderReport& report) {
  Causes causes;
  const bool is_active = record.id() == failover_.active_id();
  if (report.last_error == ErrorCode::IndexRollback) record.rollback.history_broke();
  bool held = false;
  if (report.errors_after > 0) {
    FailoverController::Failure failure;
    failure.errors = report.errors_after;
    failure.invalid = report.invalid_after;
    failure.code = report.last_error.value_or(ErrorCode::BackendUnavailable);
    failure.detail = report.last_error_detail;
    failure.waits = !report.terminated;
    notice(effect::Notice::Level::Warning, "provider_failed", record.id(), failure.code,
           failure.detail);
    held = failover_.failed(record, std::move(failure), now_);
  }
  if (report.terminated) {
    const Terminated& end = *report.terminated;
    const std::optional<ErrorCode> code =
        end.ended ? std::nullopt : std::optional<ErrorCode>(end.code);
    held = failover_.terminated(record, end, now_) || held;
    if (is_active) causes.terminated = event::StreamTerminated{record.id(), end.ended, end.code};
    notice(effect::Notice::Level::Warning, is_active ? "stream_terminated" : "standby_terminated",
           record.id(), code, end.reason);
  }
  if (held) causes.warnings.push_back(held_back(record));
  settle(std::move(causes));
}

std::vector<ProviderStatus> ProvisioningCore::Impl::providers() const {
  std::vector<ProviderStatus> out;
  out.reserve(failover_.records().size());
  const auto pinned = failover_.pinned();
  for (const ProviderRecord& record : failover_.records()) {
    ProviderStatus status;
    status.spec = record.spec;
    status.active = record.id() == failover_.active_id();
    status.pinned = pinned == record.id();
    status.watching = record.stream != StreamState::Stopped;
    status.health = record.health.state();
    status.ever_answered = record.health.ever_answered();
    status.confirmed_at = record.health.confirmed_at();
    status.observed_at = record.times.observed_at;
    status.consecutive_errors = record.health.consecutive_errors();
    status.last_error = record.health.last_error();
    status.last_error_detail = record.health.last_error_detail();
    status.held = record.hold.held();
    status.held_reason = record.hold.reason();
    if (record.view) status.view = *record.view;
    status.backend_index = record.backend_index;
    status.generation = record.generation;
    status.retry_at = record.retry_at;
    const auto cooldown = failover_.cooldown_until(record);
    if (cooldown && *cooldown > now_ && !status.active) status.cooldown_until = cooldown;
    out.push_back(std::move(status));
  }
  return out;
}

}  // namespace rollcall
