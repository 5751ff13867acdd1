// StreamReaper: takes stopped streams, and the providers behind them, off the service thread's
// hands.
//
// cancel(), a thread's last moments and a provider's destructor may all take time, and a broken
// provider may never return. The reaper waits a bounded time for each; what does not come back is
// abandoned: its thread is detached, its objects stay with it, and that is counted and told.
//
// Threads: one of its own; retire(), dispose() and the counters from any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "core/provider.h"
#include "core/time.h"
#include "provisioning/service/provider_runner.h"

namespace rollcall {

class StreamReaper {
 public:
  // Called on the reaper's thread, once for each stream that never came back.
  using OnAbandoned = std::function<void(const std::shared_ptr<ProviderRunner>&)>;

  StreamReaper(const Clock& clock, OnAbandoned on_abandoned);
  ~StreamReaper();  // waits for what is left, bounded by kStreamStopDeadline
  StreamReaper(const StreamReaper&) = delete;
  StreamReaper& operator=(const StreamReaper&) = delete;

  void retire(std::shared_ptr<ProviderRunner> runner);
  void dispose(std::shared_ptr<ClusterProvider> provider);
  // Waits until everything handed over so far has come back or was abandoned. False: not in time.
  bool idle(Duration at_most);
  std::size_t abandoned() const { return abandoned_; }
  // Refuses new streams once too many threads are lost.
  bool exhausted() const;

 private:
  struct Waiting {
    std::shared_ptr<ProviderRunner> runner;
    MonoTime deadline{};
  };
  void run();
  void settle(std::deque<Waiting>& waiting);

  const Clock& clock_;
  const OnAbandoned on_abandoned_;
  std::atomic<std::size_t> abandoned_{0};

  std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::deque<std::shared_ptr<ProviderRunner>> arrived_;
  std::deque<std::shared_ptr<ClusterProvider>> providers_;
  bool busy_ = false;  // its thread has something in its hands
  bool stop_ = false;

  std::thread thread_;
};

}  // namespace rollcall
