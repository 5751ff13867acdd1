// A sidecar without listeners: the real service, core, hub and state files over scripted providers
// and a file system in memory.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "provisioning/hub/hub_threads.h"
#include "provisioning/hub/watch_hub.h"
#include "provisioning/registry/file_provider_store.h"
#include "provisioning/registry/state_files.h"
#include "provisioning/service/operator_log.h"
#include "provisioning/service/provider_pool.h"
#include "provisioning/service/provisioning_service.h"
#include "provisioning/service/real_clock.h"
#include "provisioning/service/service_telemetry.h"
#include "provisioning/telemetry/logger.h"
#include "provisioning/telemetry/metrics.h"
#include "tests/service/scripted_provider.h"
#include "tests/support/mem_file_system.h"

namespace rollcall::test {

// Keeps every event as a value. The log's bytes are of no interest here.
class RecordingEncoder final : public EventEncoder {
 public:
  void encode(const Event& event, FrameSpace& space) override;
  std::vector<Event> events() const;

 private:
  mutable std::mutex mutex_;  // guards events_
  std::vector<Event> events_;
};

class SilentSnapshots final : public SnapshotEncoder {
 public:
  std::string encode_last_chunk(const TopologySnapshot&, std::uint32_t, Duration) const override {
    return "l";
  }
  std::vector<std::string> encode_chunks(const TopologySnapshot&, std::size_t) const override {
    return {};
  }
  std::string encode_bookmark(const TopologySnapshot&) const override { return "b"; }
};

class ServiceFixture : public ::testing::Test {
 protected:
  ServiceFixture();
  ~ServiceFixture() override;

  struct StartWith {
    BlockTable blocks;
    std::vector<ProviderId> held;
    std::optional<CachedTopology> cached;
  };
  void start(const std::vector<ProviderDescriptor>& providers, StartWith with = {});
  void stop() { service_->stop(); }
  // The accepted set becomes this one.
  void set_providers(const std::vector<ProviderDescriptor>& providers);

  Script& script(const std::string& id) { return catalog_.script(id); }
  std::vector<Event> events() const { return encoder_.events(); }
  // The events of one kind, in order.
  template <class Body>
  std::vector<Body> all() const {
    std::vector<Body> found;
    for (const Event& e : events())
      if (const auto* body = std::get_if<Body>(&e.body)) found.push_back(*body);
    return found;
  }
  // Until `condition` holds; fails the test after a bound that only a hung program reaches.
  void wait_for(const std::string& what, const std::function<bool()>& condition);
  template <class Body>
  void wait_for_event(const std::string& what, const std::function<bool(const Body&)>& matches) {
    wait_for(what, [&] {
      for (const Body& b : all<Body>())
        if (matches(b)) return true;
      return false;
    });
  }
  void wait_for_members(std::size_t count);
  ServiceStatus status();
  ProviderStatus provider(const std::string& id);
  TopologySnapshot topology() { return status().topology; }
  Result<effect::ReplyOk> ask(Input input);

  RealClock clock_;
  MemFileSystem files_{7};
  ScriptedCatalog catalog_{clock_};
  NullLogger logger_;
  ProvisioningMetrics metrics_{"test"};
  OperatorLog operators_;
  ServiceTelemetry telemetry_{clock_, logger_, metrics_, operators_};
  StateFiles state_{files_, "/state"};
  ProviderPool pool_{catalog_, ProviderContext{&clock_, &files_, "/state"}};
  RecordingEncoder encoder_;
  SilentSnapshots snapshots_;
  CoreOptions options_;  // a test may change it before start()
  std::unique_ptr<WatchHub> hub_;
  std::unique_ptr<ProvisioningService> service_;

 private:
  std::mutex pause_mutex_;  // guards nothing; nobody notifies: a pause between two looks
  std::condition_variable pause_;
};

}  // namespace rollcall::test
