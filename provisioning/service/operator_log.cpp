#include "provisioning/service/operator_log.h"

#include <algorithm>
#include <utility>

#include "core/limits.h"

namespace rollcall {

std::string_view to_string(OperatorNotice::Level level) {
  switch (level) {
    case OperatorNotice::Level::Info:
      return "info";
    case OperatorNotice::Level::Warning:
      return "warning";
    case OperatorNotice::Level::Error:
      return "error";
  }
  return "error";
}

void OperatorLog::append(OperatorNotice notice) {
  std::vector<std::shared_ptr<std::function<void()>>> tell;
  {
    std::lock_guard lock(mutex_);
    notice.index = next_index_++;
    kept_.push_back(std::move(notice));
    if (kept_.size() > limits::kOperatorEvents) kept_.pop_front();
    tell.reserve(watchers_.size());
    for (const auto& [id, more] : watchers_) tell.push_back(more);
  }
  for (const auto& more : tell) (*more)();
}

std::vector<OperatorNotice> OperatorLog::read(std::uint64_t after, std::size_t limit) const {
  std::lock_guard lock(mutex_);
  auto first = std::upper_bound(
      kept_.begin(), kept_.end(), after,
      [](std::uint64_t index, const OperatorNotice& n) { return index < n.index; });
  const auto count =
      std::min<std::size_t>(limit, static_cast<std::size_t>(std::distance(first, kept_.end())));
  return {first, first + static_cast<std::ptrdiff_t>(count)};
}

std::uint64_t OperatorLog::newest() const {
  std::lock_guard lock(mutex_);
  return next_index_ - 1;
}

Result<OperatorLog::WatcherId> OperatorLog::watch(std::function<void()> more) {
  std::lock_guard lock(mutex_);
  if (watchers_.size() >= limits::kMaxEventWatchers)
    return fail(ErrorCode::LimitExceeded, "too many WatchEvents streams are open");
  const WatcherId id = next_watcher_++;
  watchers_.emplace(id, std::make_shared<std::function<void()>>(std::move(more)));
  return id;
}

void OperatorLog::unwatch(WatcherId id) {
  std::lock_guard lock(mutex_);
  watchers_.erase(id);
}

}  // namespace rollcall
