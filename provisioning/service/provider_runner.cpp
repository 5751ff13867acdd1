#include "provisioning/service/provider_runner.h"

#include <algorithm>
#include <exception>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include "core/limits.h"

namespace rollcall {
namespace {

constexpr std::size_t kMaxDetailBytes = 512;  // provider.h promises it of FailedAnswer::detail

std::string cut(std::string text) {
  if (text.size() > kMaxDetailBytes) text.resize(kMaxDetailBytes);
  return text;
}

}  // namespace

ProviderRunner::ProviderRunner(Options options) : options_(std::move(options)) {}

Result<void> ProviderRunner::start() {
  try {
    thread_ = std::thread([self = shared_from_this()] { self->run(); });
  } catch (const std::system_error& e) {
    return fail(ErrorCode::BackendUnavailable,
                std::string("no thread for the provider's stream: ") + e.what());
  }
  return {};
}

std::optional<ProviderReport> ProviderRunner::take_report() {
  std::lock_guard lock(mutex_);
  return std::exchange(slot_, std::nullopt);
}

void ProviderRunner::resume(MonoTime not_before) {
  {
    std::lock_guard lock(mutex_);
    resume_at_ = not_before;
  }
  changed_.notify_all();
}

void ProviderRunner::request_stop() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
}

void ProviderRunner::cancel_stream() {
  std::shared_ptr<ProviderStream> stream;
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
    stream = stream_;
  }
  changed_.notify_all();
  if (stream) stream->cancel();
}

bool ProviderRunner::done() const {
  std::lock_guard lock(mutex_);
  return done_;
}

bool ProviderRunner::wait_done(Duration at_most) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, at_most, [&] { return done_; });
}

bool ProviderRunner::join_or_abandon() {
  if (!thread_.joinable()) return true;
  if (done()) {
    thread_.join();
    return true;
  }
  thread_.detach();
  return false;
}

void ProviderRunner::run() {
  try {
    if (wait_for_predecessor()) run_stream();
  } catch (const std::exception& e) {
    terminate({false, ErrorCode::BackendUnavailable, cut(std::string("exception: ") + e.what())});
  } catch (...) {
    terminate({false, ErrorCode::BackendUnavailable, "an exception of unknown type"});
  }
  std::shared_ptr<ProviderStream> stream;
  {
    std::lock_guard lock(mutex_);
    stream = std::exchange(stream_, nullptr);
  }
  stream.reset();  // outside the lock, before the thread counts as done
  // Under the lock: whoever sees done_ may join at once, and the object lives until then.
  {
    std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }
  options_.wake();
}

bool ProviderRunner::wait_for_predecessor() {
  // Let go of it here: runners must not keep one another alive in a chain.
  const std::shared_ptr<ProviderRunner> predecessor = std::move(options_.predecessor);
  if (!predecessor) return true;
  const MonoTime deadline = options_.clock->now() + limits::kStreamStopDeadline;
  while (!predecessor->wait_done(std::chrono::milliseconds(50))) {
    if (stopping()) return false;
    if (options_.clock->now() < deadline) continue;
    terminate({false, ErrorCode::Timeout, "the provider's previous stream did not stop"});
    return false;
  }
  return true;
}

void ProviderRunner::run_stream() {
  std::shared_ptr<ProviderStream> stream = options_.provider->stream();
  if (!stream) {
    terminate({false, ErrorCode::BackendUnavailable, "the provider gave no stream"});
    return;
  }
  {
    std::lock_guard lock(mutex_);
    stream_ = stream;
  }
  // A stop that came before the stream was visible to cancel_stream() is seen here.
  while (!stopping()) {
    if (!handle(stream->next())) return;
  }
}

bool ProviderRunner::handle(ProviderEvent event) {
  if (stopping()) return false;
  bool go_on = true;
  if (auto* snapshot = std::get_if<ProviderSnapshot>(&event)) {
    Result<void> applied = view_.apply(*snapshot);
    if (applied) lineage_ = snapshot->lineage;
    heard_ = applied ? Heard::Snapshot : Heard::Refused;
    handle_answer(std::move(applied), std::move(snapshot->backend_index), snapshot->times, go_on);
  } else if (auto* change = std::get_if<ChangeAnswer>(&event)) {
    Result<void> applied = follows_snapshot();
    if (applied) applied = view_.apply(*change);
    if (!applied) {
      // What it changed is lost, and the stream does not know: only a new one can tell it again.
      terminate({false, applied.error().code, std::move(applied.error().message)});
      return false;
    }
    handle_answer({}, std::move(change->backend_index), change->times, go_on);
  } else if (auto* unchanged = std::get_if<UnchangedAnswer>(&event)) {
    handle_answer(follows_snapshot(), backend_index_, unchanged->times, go_on);
  } else if (auto* failed = std::get_if<FailedAnswer>(&event)) {
    go_on = handle_failure(failed->code, std::move(failed->detail));
  } else {
    terminate(std::get<Terminated>(std::move(event)));
    go_on = false;
  }
  return go_on;
}

// Whether what the stream says next builds on an answer that was taken: an attestation of a refused
// one must not count as a sign of life (SPEC 3).
Result<void> ProviderRunner::follows_snapshot() const {
  switch (heard_) {
    case Heard::Snapshot:
      return {};
    case Heard::Nothing:
      return fail(ErrorCode::MalformedResponse, "the stream attested before its first snapshot");
    case Heard::Refused:
      break;
  }
  return fail(ErrorCode::MalformedResponse, "the answer that this one builds on was refused");
}

void ProviderRunner::handle_answer(Result<void> applied, std::string backend_index,
                                   const AnswerTimes& times, bool& go_on) {
  if (!applied) {
    go_on = handle_failure(applied.error().code, std::move(applied.error().message));
    return;
  }
  backend_index_ = std::move(backend_index);
  ProviderReport report = make_report();
  report.add(ProviderReport::Answer{view_.members(), backend_index_, lineage_, times});
  post(std::move(report));
}

bool ProviderRunner::handle_failure(ErrorCode code, std::string detail) {
  ProviderReport report = make_report();
  report.add(FailedAnswer{code, cut(std::move(detail))});
  {
    // Before the report is seen, so that an answer to it is never lost.
    std::lock_guard lock(mutex_);
    resume_at_.reset();
  }
  post(std::move(report));
  return wait_for_resume();
}

void ProviderRunner::terminate(Terminated terminated) {
  if (stopping()) return;
  terminated.reason = cut(std::move(terminated.reason));
  ProviderReport report = make_report();
  report.add(terminated);
  post(std::move(report));
}

void ProviderRunner::post(ProviderReport report) {
  bool was_empty = false;
  {
    std::lock_guard lock(mutex_);
    was_empty = !slot_.has_value();
    if (was_empty) {
      slot_ = std::move(report);
    } else {
      slot_->merge(std::move(report));
    }
  }
  if (was_empty) options_.wake();
}

bool ProviderRunner::wait_for_resume() {
  const MonoTime latest = options_.clock->now() + limits::kResumeAtLatest;
  std::unique_lock lock(mutex_);
  while (!stop_) {
    const MonoTime now = options_.clock->now();
    const MonoTime until = resume_at_ ? std::min(*resume_at_, latest) : latest;
    if (now >= until) return true;
    changed_.wait_for(lock, until - now);
  }
  return false;
}

ProviderReport ProviderRunner::make_report() const {
  ProviderReport report;
  report.provider = options_.id;
  report.generation = options_.generation;
  return report;
}

bool ProviderRunner::stopping() const {
  std::lock_guard lock(mutex_);
  return stop_;
}

}  // namespace rollcall
