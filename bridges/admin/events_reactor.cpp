#include "bridges/admin/events_reactor.h"

#include <algorithm>
#include <utility>

#include "bridges/admin/admin_messages.h"
#include "bridges/stream/status_detail.h"
#include "core/limits.h"

namespace rollcall {

std::shared_ptr<EventsReactor> EventsReactor::start(OperatorLog& log, std::uint32_t backlog) {
  auto reactor = std::make_shared<EventsReactor>(log);
  reactor->self_ = reactor;
  const std::uint64_t newest = log.newest();
  {
    MutexLock lock(reactor->mutex_);
    reactor->sent_ = newest - std::min<std::uint64_t>(backlog, newest);
  }
  auto watcher = log.watch([weak = std::weak_ptr<EventsReactor>(reactor)] {
    if (auto alive = weak.lock()) alive->pump();
  });
  if (!watcher) {
    reactor->end(watcher.error());
    return reactor;
  }
  reactor->watcher_ = *watcher;
  reactor->pump();
  return reactor;
}

void EventsReactor::pump() {
  State next = State::Idle;
  std::optional<ProvisioningError> error;
  {
    MutexLock lock(mutex_);
    if (state_ != State::Idle) return;
    if (ending_) {
      next = State::Finished;
      error = error_;
    } else if (const auto notices = log_.read(sent_, 1); !notices.empty()) {
      next = State::Writing;
      sent_ = notices.front().index;
      message_.Clear();
      fill(notices.front(), message_);
    }
    state_ = next;
  }
  // Only the thread that left Idle gets past here, so nothing else is under way.
  if (next == State::Writing) StartWrite(&message_);
  if (next == State::Finished) Finish(error ? to_status(*error) : grpc::Status::OK);
}

void EventsReactor::end(std::optional<ProvisioningError> error) {
  {
    MutexLock lock(mutex_);
    if (std::exchange(ending_, true)) return;
    error_ = std::move(error);
  }
  pump();
}

void EventsReactor::OnWriteDone(bool ok) {
  {
    MutexLock lock(mutex_);
    state_ = State::Idle;
    if (!ok) ending_ = true;  // the peer is gone
  }
  pump();
}

void EventsReactor::OnDone() {
  if (watcher_) log_.unwatch(*watcher_);
  // A callback of the log may hold the last reference for a moment longer.
  std::shared_ptr<EventsReactor> self = std::move(self_);
}

}  // namespace rollcall
