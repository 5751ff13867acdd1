// DrainWatchdog: ends the process, with status 0, when its end takes longer than it may: everything
// acknowledged is on the disk, and consumers resume elsewhere by epoch and seq_no.
//
// It is there from the start, because at the end there may be no thread to spare, and it outlives
// whatever may hang while it is destroyed. It says nothing: what hangs may be the log.
//
// Threads: one of its own; arm() from any.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "core/time.h"

namespace rollcall {

class DrainWatchdog {
 public:
  DrainWatchdog();
  ~DrainWatchdog();  // the process has ended in order
  DrainWatchdog(const DrainWatchdog&) = delete;
  DrainWatchdog& operator=(const DrainWatchdog&) = delete;

  // From now on; the first call counts.
  void arm(Duration at_most);

 private:
  void run();

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::optional<Duration> at_most_;
  bool ended_ = false;

  std::thread thread_;
};

}  // namespace rollcall
