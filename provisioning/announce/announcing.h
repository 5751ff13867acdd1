// Announcing: keeps this node a member at the providers that the configuration names (section
// `announce`). One thread, which calls the backends one after another, each call with a deadline;
// what goes wrong there goes no further than a log line, a counter and the status.
//
// A sidecar that is killed withdraws nothing: the TTL at the backend does.
//
// Threads: construction, start(), begin_drain() and stop() from the owner's; the rest from any.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/announcer.h"
#include "core/provider.h"
#include "provisioning/announce/provider_announcement.h"
#include "provisioning/hub/mutex.h"
#include "provisioning/service/provisioning_service.h"
#include "provisioning/service/service_telemetry.h"

namespace rollcall {

class Announcing {
 public:
  struct Options {
    std::vector<ProviderId> providers;  // ≤ limits::kMaxAnnounceProviders, each once
    Announcement what;
    std::uint64_t seed = 0;
  };
  // All outlive it; the functions are called on the announcing thread and may wait.
  struct Dependencies {
    const Clock* clock = nullptr;
    ServiceTelemetry* telemetry = nullptr;
    std::function<std::shared_ptr<ClusterProvider>(const ProviderId&)> find;  // null: none
    std::function<Result<ServiceStatus>()> status;
  };
  Announcing(Dependencies dependencies, const Options& options);
  ~Announcing();  // stop()
  Announcing(const Announcing&) = delete;
  Announcing& operator=(const Announcing&) = delete;

  void start();  // once
  void providers_changed();
  // Withdraws everywhere, on the announcing thread, and ends it; what was not done by `until` is
  // left to the TTL, and so is a provider whose call is at hand and goes on hanging. At once.
  void begin_drain(MonoTime until);
  // Waits for what begin_drain() began, cancels what is late, and joins. Without it nothing is
  // withdrawn. Idempotent.
  void stop();

  std::vector<AnnounceStatus> status() const;  // in the order of the configuration

 private:
  // Why the thread goes on.
  enum class Woken { Time, Poked, Drain, Stop };

  void run();
  Woken wait_until(MonoTime at);
  void end_call_at_hand(MonoTime until);  // on impatience_
  bool asked_to_end() const;
  void look();
  std::optional<MonoTime> next_due() const;
  void withdraw_all();
  void publish();

  const Dependencies deps_;
  const Duration look_every_;
  const std::size_t shares_;  // of a drain's time: one each
  AnnounceCancel cancel_;
  std::vector<ProviderAnnouncement> announcements_;  // announcing thread, and before it

  mutable Mutex mutex_;
  std::condition_variable changed_;
  std::vector<AnnounceStatus> status_ ROLLCALL_GUARDED_BY(mutex_);
  std::optional<MonoTime> drain_until_ ROLLCALL_GUARDED_BY(mutex_);
  bool poked_ ROLLCALL_GUARDED_BY(mutex_) = false;
  bool stopping_ ROLLCALL_GUARDED_BY(mutex_) = false;
  bool withdrawing_ ROLLCALL_GUARDED_BY(mutex_) = false;
  bool ended_ ROLLCALL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
  std::thread impatience_;  // of a drain, while the announcing thread is in a call from before
};

}  // namespace rollcall
