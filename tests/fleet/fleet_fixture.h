// Sidecars (store, registry, follower) on one document in memory. Nothing runs by itself but what
// a test starts.
#pragma once

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <vector>

#include "provisioning/fleet/fleet_follower.h"
#include "provisioning/fleet/fleet_store.h"
#include "provisioning/registry/provider_registry.h"
#include "tests/fleet/memory_document.h"
#include "tests/registry/test_catalog.h"
#include "tests/support/mem_file_system.h"

namespace rollcall::test {

class Sidecar {
 public:
  explicit Sidecar(MemoryStore& shared, std::string key = "/k")
      : shared_(shared), key_(std::move(key)) {
    EXPECT_TRUE(files.make_directory("/state"));
    start();
  }

  // As the daemon does; the state stays.
  void start() {
    writing = std::make_unique<MemoryDocument>(shared_);
    following = std::make_unique<MemoryDocument>(shared_);
    store = std::make_unique<FleetStore>(
        files, clock, *writing,
        FleetStore::Options{"/state", key_, "etcd key " + key_, shared_.next_fleet()},
        [this](const FleetNews& news) {
          told.push_back(std::string(news.event) + ": " + news.message);
        });
    auto opened = ProviderRegistry::open(*store, nullptr, validator);
    ASSERT_TRUE(opened) << opened.error().message;
    registry = std::move(*opened);
    follower = std::make_unique<FleetFollower>(*store, *registry, *following, clock, 1);
    registry->set_listener([this](const std::vector<AcceptedProvider>&, Revision revision,
                                  const std::vector<ProviderId>& released) {
      shown.push_back(revision);
      released_holds.insert(released_holds.end(), released.begin(), released.end());
    });
  }
  void restart() {
    follower.reset();
    registry.reset();
    store.reset();
    start();
  }
  void restart_at(std::string key) {
    key_ = std::move(key);
    restart();
  }

  // "7: a b"
  std::string set() const {
    const auto view = registry->view();
    std::string text = std::to_string(view->revision.value()) + ":";
    for (const AcceptedProvider& p : view->providers) text += " " + p.descriptor.id.str();
    return text;
  }
  std::string look() {
    follower->look_once();
    return set();
  }
  Result<RegistryChange> apply(std::vector<ProviderDescriptor> providers,
                               std::optional<std::uint64_t> revision = std::nullopt) {
    RegistryWrite write;
    write.prune = true;
    if (revision) write.expected_revision = Revision(*revision);
    return registry->apply(std::move(providers), write);
  }
  std::string state() const { return std::string(to_string(store->status().state)); }

  MemFileSystem files;
  ManualClock clock;
  TestCatalog catalog;
  ProviderValidator validator{catalog, catalog.context()};
  std::unique_ptr<MemoryDocument> writing;
  std::unique_ptr<MemoryDocument> following;
  std::unique_ptr<FleetStore> store;
  std::unique_ptr<ProviderRegistry> registry;
  std::unique_ptr<FleetFollower> follower;
  std::vector<std::string> told;
  std::vector<Revision> shown;
  std::vector<ProviderId> released_holds;

 private:
  MemoryStore& shared_;
  std::string key_;
};

}  // namespace rollcall::test
