// WorkerPool: threads for calls that wait for a disk or a backend, which a gRPC reaction must not
// do. Bounded in threads and in waiting work; what does not fit is refused, never queued further.
//
// Threads: any may submit. The destructor (or stop()) runs what was accepted to its end.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "provisioning/hub/mutex.h"

namespace rollcall {

class WorkerPool {
 public:
  WorkerPool(std::size_t threads, std::size_t max_waiting);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // False: too much is waiting already (answer LIMIT_EXCEEDED), or stop() was called.
  [[nodiscard]] bool submit(std::function<void()> work);
  void stop();  // idempotent; joins

 private:
  void run();

  const std::size_t max_waiting_;
  Mutex mutex_;  // guards what is waiting
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_ ROLLCALL_GUARDED_BY(mutex_);
  bool stopping_ ROLLCALL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace rollcall
