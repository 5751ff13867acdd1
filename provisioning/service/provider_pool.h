// ProviderPool: the objects behind the accepted descriptors. A descriptor whose backend did not
// change keeps its object (and its streams); a new or changed one gets a new object.
//
// A provider that can't be made is kept, with the reason as its missing capability, and is never
// activated (R1.3): the set that was accepted stays the set that was accepted.
//
// Threads: update() from one at a time (the registry's listener); find() and make() from any.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "core/provider.h"
#include "provisioning/registry/provider_registry.h"
#include "provisioning/service/mailbox.h"

namespace rollcall {

class ProviderPool {
 public:
  // Both outlive the pool and every provider.
  ProviderPool(const ProviderCatalog& catalog, ProviderContext context);

  // One entry a provider, in order. A broken state file behind a provider is the only error that
  // `strict` (the start) lets through: STORE_CORRUPTED, STORE_IO, naming what recovers.
  Result<std::vector<ProviderEntry>> update(const std::vector<AcceptedProvider>& accepted,
                                            bool strict = false);
  // Null: unknown, or it could not be made.
  std::shared_ptr<ClusterProvider> find(const ProviderId& id) const;
  // The ids of those that members can join by API, in order.
  std::vector<ProviderId> with_registrar() const;
  // Another object for the same descriptor; null if it can't be made.
  std::shared_ptr<ClusterProvider> make_again(const ProviderDescriptor& d);

 private:
  Result<std::shared_ptr<ClusterProvider>> make(const ProviderDescriptor& d) const;

  const ProviderCatalog& catalog_;
  const ProviderContext context_;

  mutable std::mutex mutex_;  // guards what follows, not the making of providers
  std::map<ProviderId, std::shared_ptr<ClusterProvider>> providers_;
};

}  // namespace rollcall
