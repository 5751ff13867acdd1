#include "deploy/rollcalld/drain_watchdog.h"

#include <cstdlib>

namespace rollcall {

DrainWatchdog::DrainWatchdog() : thread_([this] { run(); }) {}

DrainWatchdog::~DrainWatchdog() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void DrainWatchdog::arm(Duration at_most) {
  {
    const std::lock_guard lock(mutex_);
    if (!at_most_) at_most_ = at_most;
  }
  changed_.notify_all();
}

void DrainWatchdog::run() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ended_ || at_most_; });
  if (ended_ || changed_.wait_for(lock, *at_most_, [this] { return ended_; })) return;
  std::_Exit(0);
}

}  // namespace rollcall
