#include "provisioning/service/mailbox.h"

#include <utility>

#include "core/limits.h"

namespace rollcall {

Result<void> Mailbox::post(Command command) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return fail(ErrorCode::ShuttingDown, "the sidecar is shutting down");
    if (commands_.size() >= limits::kMaxPendingCommands)
      return fail(ErrorCode::LimitExceeded, "too many requests are waiting; try again later");
    commands_.push_back(std::move(command));
  }
  changed_.notify_one();
  return {};
}

bool Mailbox::post_internal(Command command) {
  {
    std::lock_guard lock(mutex_);
    if (closed_) return false;
    commands_.push_back(std::move(command));
  }
  changed_.notify_one();
  return true;
}

void Mailbox::ring() {
  {
    std::lock_guard lock(mutex_);
    rung_ = true;
  }
  changed_.notify_one();
}

Mailbox::Taken Mailbox::wait(Duration at_most) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, at_most, [&] { return rung_ || !commands_.empty(); });
  Taken taken;
  taken.commands.swap(commands_);
  taken.rung = std::exchange(rung_, false);
  return taken;
}

std::size_t Mailbox::waiting() const {
  std::lock_guard lock(mutex_);
  return commands_.size();
}

std::deque<Command> Mailbox::close() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  return std::exchange(commands_, {});
}

}  // namespace rollcall
