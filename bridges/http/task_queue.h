// BoundedTaskQueue: the HTTP server's workers. When all are busy and the queue is full, accepting
// waits, and the kernel's short backlog is what remains: nothing piles up in memory.
//
// Threads: enqueue() from the accepting thread, shutdown() once, by the server.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <httplib.h>

namespace rollcall {

class BoundedTaskQueue final : public httplib::TaskQueue {
 public:
  BoundedTaskQueue(std::size_t threads, std::size_t waiting);
  void enqueue(std::function<void()> fn) override;
  void shutdown() override;  // runs what waits, then joins

 private:
  void work();

  const std::size_t max_waiting_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace rollcall
