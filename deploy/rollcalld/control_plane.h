// ControlPlane: everything of the sidecar that is not a listener: state, registry, providers, the
// decision core with its service thread, the hub. Built once by start(), in the order of the
// members; torn down in reverse.
//
// Threads: start() and stop() from the main thread; what the members allow otherwise.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "bridges/codec/event_codec.h"
#include "bridges/http/topology_json.h"
#include "core/error.h"
#include "core/provider.h"
#include "core/provider_store.h"
#include "deploy/rollcalld/boot.h"
#include "provisioning/announce/announcing.h"
#include "provisioning/config/config.h"
#include "provisioning/fleet/fleet_follower.h"
#include "provisioning/fleet/fleet_store.h"
#include "provisioning/hub/hub_threads.h"
#include "provisioning/hub/watch_hub.h"
#include "provisioning/registry/file_provider_store.h"
#include "provisioning/registry/posix_file_system.h"
#include "provisioning/registry/provider_registry.h"
#include "provisioning/registry/provider_validator.h"
#include "provisioning/registry/state_directory.h"
#include "provisioning/registry/state_files.h"
#include "provisioning/service/operator_log.h"
#include "provisioning/service/provider_pool.h"
#include "provisioning/service/provisioning_service.h"
#include "provisioning/service/real_clock.h"
#include "provisioning/service/service_telemetry.h"
#include "provisioning/telemetry/line_logger.h"
#include "provisioning/telemetry/metrics.h"

namespace rollcall {

class ControlPlane {
 public:
  // Locks the state directory, reads what is there, applies the configuration's providers and
  // starts the service thread. Nothing is listened on yet.
  static Result<std::unique_ptr<ControlPlane>> start(Config config, LineLogger& logger,
                                                     std::string_view version);
  ~ControlPlane();
  ControlPlane(const ControlPlane&) = delete;
  ControlPlane& operator=(const ControlPlane&) = delete;

  // Everything of a new configuration that may change while running, or nothing of it (R5.4).
  // Blocks while backends are asked.
  Result<void> reload(Config wanted);

  // Neither follows nor writes the store of a fleet any more: the sidecar drains, or ends.
  void leave_fleet();

  StoreStatus store_status() const;
  // The exposition for /metrics.
  Result<std::string> metrics_text();
  Result<void> alive();
  // What each provider lists now, in order of priority.
  Result<std::vector<ProviderListing>> listings();

  const Config& config() const { return config_; }  // of the start, but for what a reload changed
  const Clock& clock() const { return clock_; }
  MonoTime started() const { return started_; }
  const ProviderCatalog& catalog() const { return *catalog_; }
  const ProviderValidator& validator() const { return *validator_; }
  FileSystem& files() { return files_; }
  ProviderRegistry& registry() { return *registry_; }
  ProviderPool& pool() { return *pool_; }
  ProvisioningService& service() { return *service_; }
  WatchHub& hub() { return *hub_; }
  OperatorLog& operators() { return operators_; }
  ServiceTelemetry& telemetry() { return telemetry_; }
  ProvisioningMetrics& metrics() { return metrics_; }
  // Null: nothing is announced. It is started by whoever knows that everything is served.
  Announcing* announcing() { return announcing_.get(); }

 private:
  ControlPlane(Config config, LineLogger& logger, std::string_view version);
  Result<void> open_state();
  Result<void> open_registry();
  Result<void> open_file_store();
  Result<void> open_fleet_store();
  Result<void> start_service();
  void make_announcing();
  void providers_changed(const std::vector<AcceptedProvider>& accepted, Revision revision,
                         const std::vector<ProviderId>& release_holds);
  Result<RegistryChange> apply_providers(const Config& wanted, ProviderRegistry::When when);

  // A reload's policy goes into the same step as its providers, which the registry hands over on
  // the reloading thread.
  struct Reload {
    std::thread::id thread;
    FailoverPolicy policy;
    bool handed_over = false;
  };

  Config config_;  // main thread
  std::mutex reload_mutex_;
  std::optional<Reload> reload_;  // guarded by reload_mutex_; while one is under way
  LineLogger& logger_;
  RealClock clock_;
  const MonoTime started_;
  PosixFileSystem files_;
  ProvisioningMetrics metrics_;
  OperatorLog operators_;
  ServiceTelemetry telemetry_;
  std::unique_ptr<const ProviderCatalog> catalog_;
  std::optional<StateDirectory> directory_;
  std::unique_ptr<StateFiles> state_;
  BootState boot_;
  std::unique_ptr<ProviderValidator> validator_;
  // Of a fleet's store only: one connection to write, and one to follow.
  std::unique_ptr<SharedDocument> fleet_document_;
  std::unique_ptr<SharedDocument> followed_document_;
  FleetStore* fleet_ = nullptr;  // what store_ is then
  std::unique_ptr<ProviderStore> store_;
  std::unique_ptr<ProviderRegistry> registry_;
  std::unique_ptr<ProviderPool> pool_;
  ProtoEventEncoder event_encoder_;
  ProtoSnapshotEncoder snapshot_encoder_;
  std::unique_ptr<WatchHub> hub_;
  std::unique_ptr<ProvisioningService> service_;
  std::unique_ptr<HubThreads> hub_threads_;
  std::unique_ptr<Announcing> announcing_;
  std::unique_ptr<FleetFollower> follower_;
};

}  // namespace rollcall
