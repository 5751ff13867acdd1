#include "provisioning/fleet/fleet_follower.h"

#include <utility>

#include "core/limits.h"
#include "provisioning/failover/backoff.h"

namespace rollcall {

FleetFollower::FleetFollower(FleetStore& store, ProviderRegistry& registry,
                             SharedDocument& document, const Clock& clock, std::uint64_t seed)
    : store_(store), registry_(registry), document_(document), clock_(clock), seed_(seed) {}

FleetFollower::~FleetFollower() { stop(); }

void FleetFollower::look_once() { look(); }

void FleetFollower::start() {
  thread_ = std::thread([this] { run(); });
}

void FleetFollower::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  document_.cancel();
  if (thread_.joinable()) thread_.join();
}

bool FleetFollower::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

bool FleetFollower::look() {
  for (int i = 0; i < limits::kFleetLookAgain; ++i) {
    const std::uint64_t generation = store_.generation();
    auto state = document_.look(store_.known(), clock_.now() + Duration(limits::kFleetLook));
    if (stopping()) return true;
    const bool there = state.has_value();
    switch (store_.observe(std::move(state), generation)) {
      case FleetStore::Next::Again:
        continue;
      case FleetStore::Next::TakeOver:
        registry_.take_over();
        return true;
      case FleetStore::Next::Wait:
        return there;
    }
  }
  return true;
}

void FleetFollower::run() {
  SplitMix64 random(seed_);
  const BackoffLimits bounds{limits::kFleetRetryInitial, limits::kFleetRetryMax,
                             limits::kFleetRetryJitter};
  std::uint32_t failures = 0;
  while (!stopping()) {
    if (look()) {
      failures = 0;
      document_.wait(clock_.now() + Duration(limits::kFleetLookEvery));
    } else {
      pause(backoff_wait(bounds, ++failures, random));
    }
  }
}

void FleetFollower::pause(Duration wait) {
  std::unique_lock lock(mutex_);
  stopped_.wait_for(lock, wait, [this] { return stopping_; });
}

}  // namespace rollcall
