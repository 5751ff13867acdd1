// ProviderRunner: one thread for one running stream of one provider.
//
// It loops ProviderStream::next(), keeps the provider's own view, and leaves what it learns in one
// slot: a waiting report absorbs later ones, so nothing piles up while the writer is busy (DESIGN
// "The way of a change", room 2). After a failure it waits until the core says when to ask again.
// Whatever a provider throws becomes Terminated; nothing of it reaches the service.
//
// Threads: start(), resume(), request_stop() and take_report() are called by the service thread and
// never block. cancel_stream(), wait_done() and join_or_abandon() belong to the StreamReaper.
// Ownership: shared with its own thread, so that a provider that hangs in next() may be abandoned.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "core/ids.h"
#include "core/provider.h"
#include "core/time.h"
#include "provisioning/control/provider_report.h"
#include "provisioning/service/provider_view.h"

namespace rollcall {

class ProviderRunner : public std::enable_shared_from_this<ProviderRunner> {
 public:
  struct Options {
    ProviderId id;
    StreamGeneration generation;
    std::shared_ptr<ClusterProvider> provider;
    // The stream before, if its thread still runs: a provider never has two streams at once.
    std::shared_ptr<ProviderRunner> predecessor;
    const Clock* clock = nullptr;
    std::function<void()>
        wake;  // called on the provider's thread when the slot fills, or at the end
  };
  explicit ProviderRunner(Options options);
  ProviderRunner(const ProviderRunner&) = delete;
  ProviderRunner& operator=(const ProviderRunner&) = delete;

  // BACKEND_UNAVAILABLE when the system has no thread for it.
  Result<void> start();
  std::optional<ProviderReport> take_report();
  void resume(MonoTime not_before);
  void request_stop();

  void cancel_stream();
  bool done() const;
  bool wait_done(Duration at_most);
  // Joins a thread that is done; detaches one that is not. True: joined.
  bool join_or_abandon();

  const ProviderId& id() const { return options_.id; }
  StreamGeneration generation() const { return options_.generation; }
  const std::shared_ptr<ClusterProvider>& provider() const { return options_.provider; }

 private:
  void run();
  void run_stream();
  bool wait_for_predecessor();
  // False: the stream is over.
  bool handle(ProviderEvent event);
  bool handle_failure(ErrorCode code, std::string detail);
  Result<void> follows_snapshot() const;
  void handle_answer(Result<void> applied, std::string backend_index, const AnswerTimes& times,
                     bool& go_on);
  void terminate(Terminated terminated);
  void post(ProviderReport report);
  bool wait_for_resume();
  ProviderReport make_report() const;
  bool stopping() const;

  Options options_;            // its predecessor: until the thread has waited for it
  ProviderView view_;          // provider thread only
  std::string backend_index_;  // provider thread only
  std::uint64_t lineage_ = 0;  // provider thread only
  // The newest whole answer; provider thread only.
  enum class Heard : std::uint8_t { Nothing, Refused, Snapshot };
  Heard heard_ = Heard::Nothing;

  mutable std::mutex mutex_;  // guards everything below; held for a few instructions only
  std::condition_variable changed_;
  std::optional<ProviderReport> slot_;
  std::optional<MonoTime> resume_at_;
  std::shared_ptr<ProviderStream> stream_;
  bool stop_ = false;
  bool done_ = false;
  std::thread thread_;  // service thread in start(), reaper afterwards
};

}  // namespace rollcall
