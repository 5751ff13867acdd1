// FleetFollower: the thread that follows a fleet's document, and lets the registry take over what
// others stored. While the store is away it asks again and again, with a growing and spread pause;
// nothing else happens then.
//
// Threads: start() and stop() from the owner's; one thread of its own in between.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "core/shared_document.h"
#include "core/time.h"
#include "provisioning/fleet/fleet_store.h"
#include "provisioning/registry/provider_registry.h"

namespace rollcall {

class FleetFollower {
 public:
  // `document` is for following, and belongs to the follower. All outlive it. `seed`: of the
  // pauses' jitter.
  FleetFollower(FleetStore& store, ProviderRegistry& registry, SharedDocument& document,
                const Clock& clock, std::uint64_t seed);
  ~FleetFollower();  // stop()
  FleetFollower(const FleetFollower&) = delete;
  FleetFollower& operator=(const FleetFollower&) = delete;

  // One look, on the caller's thread, before start(): what is there is taken over when it returns.
  void look_once();
  void start();
  // The thread is joined within moments, whatever it waits for. Idempotent, and for good.
  void stop();

 private:
  void run();
  bool look();  // false: the store was not reached
  void pause(Duration wait);
  bool stopping() const;

  FleetStore& store_;
  ProviderRegistry& registry_;
  SharedDocument& document_;
  const Clock& clock_;
  const std::uint64_t seed_;

  mutable std::mutex mutex_;  // guards stopping_
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace rollcall
