#include "provisioning/service/stream_reaper.h"

#include <utility>

#include "core/limits.h"

namespace rollcall {
namespace {

constexpr auto kSlice = std::chrono::milliseconds(20);  // between two looks at streams that end

}  // namespace

StreamReaper::StreamReaper(const Clock& clock, OnAbandoned on_abandoned)
    : clock_(clock), on_abandoned_(std::move(on_abandoned)), thread_([this] { run(); }) {}

StreamReaper::~StreamReaper() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void StreamReaper::retire(std::shared_ptr<ProviderRunner> runner) {
  {
    std::lock_guard lock(mutex_);
    arrived_.push_back(std::move(runner));
  }
  changed_.notify_all();
}

void StreamReaper::dispose(std::shared_ptr<ClusterProvider> provider) {
  {
    std::lock_guard lock(mutex_);
    providers_.push_back(std::move(provider));
  }
  changed_.notify_all();
}

bool StreamReaper::idle(Duration at_most) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, at_most,
                           [&] { return !busy_ && arrived_.empty() && providers_.empty(); });
}

bool StreamReaper::exhausted() const { return abandoned_ >= limits::kMaxAbandonedStreams; }

void StreamReaper::run() {
  std::deque<Waiting> waiting;
  while (true) {
    std::deque<std::shared_ptr<ProviderRunner>> arrived;
    std::deque<std::shared_ptr<ClusterProvider>> providers;
    bool stopping = false;
    {
      std::unique_lock lock(mutex_);
      auto something = [&] { return stop_ || !arrived_.empty() || !providers_.empty(); };
      busy_ = !waiting.empty();
      if (!busy_) changed_.notify_all();
      if (waiting.empty()) {
        changed_.wait(lock, something);
      } else {
        changed_.wait_for(lock, kSlice, something);
      }
      arrived.swap(arrived_);
      providers.swap(providers_);
      stopping = stop_;
      busy_ = !waiting.empty() || !arrived.empty() || !providers.empty();
    }
    providers.clear();  // their destructors run here
    for (auto& runner : arrived) {
      runner->cancel_stream();
      waiting.push_back({std::move(runner), clock_.now() + limits::kStreamStopDeadline});
    }
    settle(waiting);
    if (stopping && arrived.empty() && waiting.empty()) return;
  }
}

void StreamReaper::settle(std::deque<Waiting>& waiting) {
  std::deque<Waiting> still;
  for (Waiting& w : waiting) {
    const bool late = clock_.now() >= w.deadline;
    if (!late && !w.runner->wait_done(kSlice / static_cast<int>(waiting.size() + 1))) {
      still.push_back(std::move(w));
      continue;
    }
    if (w.runner->join_or_abandon()) continue;
    ++abandoned_;
    on_abandoned_(w.runner);
  }
  waiting.swap(still);
}

}  // namespace rollcall
