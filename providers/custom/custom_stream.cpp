#include "providers/custom/custom_stream.h"

#include <algorithm>
#include <string>
#include <utility>

#include "providers/custom/limits.h"

namespace rollcall {
namespace {

tl::unexpected<ProvisioningError> malformed(std::string message) {
  return fail(ErrorCode::MalformedResponse, std::move(message));
}

Terminated cancelled() { return {true, ErrorCode::ShuttingDown, "cancelled"}; }

}  // namespace

std::uint64_t PluginHistory::note(std::uint64_t history) {
  const std::lock_guard lock(mutex_);
  if (history != 0) {
    if (history_ != 0 && history_ != history) ++lineage_;
    history_ = history;
  }
  return lineage_;
}

void PluginHistory::broke() {
  const std::lock_guard lock(mutex_);
  ++lineage_;
}

std::uint64_t PluginHistory::lineage() const {
  const std::lock_guard lock(mutex_);
  return lineage_;
}

CustomStream::CustomStream(std::shared_ptr<const PluginSettings> settings,
                           std::shared_ptr<PluginHistory> history, const Clock& clock)
    : settings_(std::move(settings)),
      history_(std::move(history)),
      clock_(clock),
      io_{clock_, cancel_},
      attempts_(limits::kPluginAttemptBurst, limits::kPluginAttemptRefill),
      messages_(limits::kPluginMessageBurst, limits::kPluginMessageRefill) {}

CustomStream::~CustomStream() { give_up(); }

void CustomStream::cancel() noexcept {
  cancel_.cancel();
  current_.cancel();
}

void CustomStream::give_up() {
  connection_.reset();
  watching_ = false;
}

ProviderEvent CustomStream::next() {
  if (cancel_.cancelled()) return cancelled();
  auto event = attempt();
  if (cancel_.cancelled()) return cancelled();
  if (event) return std::move(*event);
  if (event.error().code == ErrorCode::IndexRollback) history_->broke();
  return FailedAnswer{event.error().code, std::move(event.error().message)};
}

Result<ProviderEvent> CustomStream::attempt() {
  if (!watching_) {
    if (auto begun = begin(); !begun) {
      give_up();
      return tl::unexpected(std::move(begun.error()));
    }
  }
  auto event = follow();
  if (event) return event;
  event.error() = connection_->explain(std::move(event.error()), !watching_, io_);
  if (watching_) {
    connection_->session().end_stream();  // the answer was bad; the connection is not
    watching_ = false;
  } else {
    connection_.reset();
  }
  return event;
}

// A connection, the old one or a new one, and a watch on it.
Result<void> CustomStream::begin() {
  const MonoTime from = attempts_.take(clock_.now());
  if (wait_for(-1, 0, from, clock_, cancel_) == Wake::Cancelled) {
    return fail(ErrorCode::ShuttingDown, "cancelled");
  }
  if (connection_ && connection_->lost()) connection_.reset();
  const MonoTime deadline = clock_.now() + settings_->start;
  if (!connection_) {
    auto opened = PluginConnection::open(*settings_, deadline, io_, current_);
    if (!opened) return tl::unexpected(std::move(opened.error()));
    connection_ = std::move(*opened);
    if (auto able = connection_->can_watch(); !able) return able;
  }
  if (auto begun = connection_->session().begin_watch(deadline); !begun) {
    return tl::unexpected(connection_->explain(std::move(begun.error()), true, io_));
  }
  watching_ = true;
  has_snapshot_ = false;
  assembler_ = SnapshotAssembler();
  return {};
}

// Until an event is whole, the plug-in is silent for too long, or a snapshot takes too long. An
// error that gives the connection up clears watching_.
Result<ProviderEvent> CustomStream::follow() {
  MonoTime until = clock_.now() + settings_->silence();
  while (true) {
    auto message = connection_->session().read_watch(until);
    if (!message) {
      watching_ = false;
      if (message.error().code == ErrorCode::Timeout) {
        message.error().message =
            assembler_.in_progress()
                ? "the plug-in began a snapshot and did not finish it in time"
                : "the plug-in said nothing for " + std::to_string(to_ms(settings_->silence())) +
                      " ms; it has to confirm its view every " +
                      std::to_string(to_ms(settings_->attest)) + " ms (watch_params.attest_ms)";
      }
      return tl::unexpected(std::move(message.error()));
    }
    if (!*message) {
      if (assembler_.in_progress()) return malformed("the watch ended within a snapshot");
      return Terminated{true, ErrorCode::BackendUnavailable,
                        "the plug-in ended its watch in order"};
    }
    const MonoTime now = clock_.now();
    if (messages_.take(now) > now) {
      watching_ = false;
      return fail(ErrorCode::LimitExceeded,
                  "the plug-in sends more than 2000 messages a second; it should put several "
                  "members into one");
    }
    const bool between_chunks = assembler_.in_progress();
    auto event = digest(**message, now);
    if (!event) return tl::unexpected(std::move(event.error()));
    if (*event) return std::move(**event);
    if (!between_chunks) until = now + Duration(limits::kPluginSnapshotTransfer);
  }
}

Result<std::optional<ProviderEvent>> CustomStream::digest(const v1::PluginEvent& event,
                                                          MonoTime arrived) {
  switch (event.event_case()) {
    case v1::PluginEvent::kSnapshot:
      return digest_chunk(event.snapshot(), arrived);
    case v1::PluginEvent::kChange: {
      if (auto good = may_build_on_snapshot(); !good) {
        return tl::unexpected(std::move(good.error()));
      }
      auto change = change_from_plugin(event.change());
      if (!change) return tl::unexpected(std::move(change.error()));
      change->times = times_from(arrived);
      return std::optional<ProviderEvent>(std::move(*change));
    }
    case v1::PluginEvent::kUnchanged:
      if (auto good = may_build_on_snapshot(); !good) {
        return tl::unexpected(std::move(good.error()));
      }
      return std::optional<ProviderEvent>(UnchangedAnswer{times_from(arrived)});
    case v1::PluginEvent::kFailed:
      return tl::unexpected(failure_from_plugin(event.failed()));
    case v1::PluginEvent::EVENT_NOT_SET:
      break;
  }
  return malformed("an event of a kind that protocol version 1 does not have");
}

Result<std::optional<ProviderEvent>> CustomStream::digest_chunk(
    const v1::PluginSnapshotChunk& chunk, MonoTime arrived) {
  if (!assembler_.in_progress()) chunks_began_ = arrived;
  auto complete = assembler_.add(chunk, chunk.ByteSizeLong());
  if (!complete) {
    if (complete.error().code == ErrorCode::LimitExceeded) watching_ = false;
    return tl::unexpected(std::move(complete.error()));
  }
  if (!*complete) return std::optional<ProviderEvent>();
  has_snapshot_ = true;
  ProviderSnapshot answer;
  answer.members = std::move((*complete)->members);
  answer.backend_index = std::move((*complete)->backend_index);
  answer.lineage = history_->note((*complete)->history);
  answer.times = times_from(chunks_began_);
  return std::optional<ProviderEvent>(std::move(answer));
}

Result<void> CustomStream::may_build_on_snapshot() const {
  if (assembler_.in_progress()) return malformed("another event came between a snapshot's chunks");
  if (!has_snapshot_) return malformed("the watch did not begin with a snapshot");
  return {};
}

AnswerTimes CustomStream::times_from(MonoTime arrived) const {
  return {arrived, clock_.now(), clock_.wall_now()};
}

}  // namespace rollcall
