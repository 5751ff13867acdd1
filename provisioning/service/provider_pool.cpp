#include "provisioning/service/provider_pool.h"

#include <exception>
#include <string>
#include <utility>

namespace rollcall {

ProviderPool::ProviderPool(const ProviderCatalog& catalog, ProviderContext context)
    : catalog_(catalog), context_(std::move(context)) {}

Result<std::shared_ptr<ClusterProvider>> ProviderPool::make(const ProviderDescriptor& d) const {
  const ProviderFactory* factory = catalog_.find(d.kind);
  if (factory == nullptr)
    return fail(ErrorCode::CapabilityMissing, "kind " + d.kind + " is not built in");
  try {
    auto made = factory->create(d, context_);
    if (!made) return tl::unexpected(std::move(made.error()));
    if (!*made) return fail(ErrorCode::CapabilityMissing, "kind " + d.kind + " made no provider");
    return std::shared_ptr<ClusterProvider>(std::move(*made));
  } catch (const std::exception& e) {
    return fail(ErrorCode::CapabilityMissing, "kind " + d.kind + ": " + e.what());
  }
}

Result<std::vector<ProviderEntry>> ProviderPool::update(
    const std::vector<AcceptedProvider>& accepted, bool strict) {
  std::map<ProviderId, std::shared_ptr<ClusterProvider>> before;
  {
    std::lock_guard lock(mutex_);
    before = providers_;
  }
  std::map<ProviderId, std::shared_ptr<ClusterProvider>> after;
  std::vector<ProviderEntry> entries;
  for (const AcceptedProvider& a : accepted) {
    ProviderEntry entry;
    entry.spec.descriptor = a.descriptor;
    entry.spec.accepted_unreachable = a.accepted_unreachable;
    entry.spec.missing_capability = a.missing_capability;
    auto known = before.find(a.descriptor.id);
    if (known != before.end() && same_backend(known->second->descriptor(), a.descriptor)) {
      entry.provider = known->second;
    } else if (auto made = make(a.descriptor)) {
      entry.provider = std::move(*made);
    } else {
      const ErrorCode code = made.error().code;
      if (strict && (code == ErrorCode::StoreCorrupted || code == ErrorCode::StoreIo))
        return tl::unexpected(std::move(made.error()));
      entry.spec.missing_capability = std::move(made.error().message);
    }
    if (entry.provider) {
      entry.spec.attest_interval = entry.provider->attest_interval();
      const Capabilities can = entry.provider->capabilities();
      if (!can.watch && !entry.spec.missing_capability)
        entry.spec.missing_capability = can.missing.empty() ? "watch" : can.missing;
      after.emplace(a.descriptor.id, entry.provider);
    }
    entries.push_back(std::move(entry));
  }
  std::lock_guard lock(mutex_);
  providers_.swap(after);
  return entries;
}

std::shared_ptr<ClusterProvider> ProviderPool::find(const ProviderId& id) const {
  std::lock_guard lock(mutex_);
  auto at = providers_.find(id);
  return at == providers_.end() ? nullptr : at->second;
}

std::vector<ProviderId> ProviderPool::with_registrar() const {
  std::vector<ProviderId> ids;
  std::map<ProviderId, std::shared_ptr<ClusterProvider>> now;
  {
    std::lock_guard lock(mutex_);
    now = providers_;
  }
  for (const auto& [id, provider] : now)
    if (provider->registrar() != nullptr) ids.push_back(id);
  return ids;
}

std::shared_ptr<ClusterProvider> ProviderPool::make_again(const ProviderDescriptor& d) {
  auto made = make(d);
  if (!made) return nullptr;
  std::lock_guard lock(mutex_);
  auto at = providers_.find(d.id);
  if (at == providers_.end() || !same_backend(at->second->descriptor(), d)) return nullptr;
  at->second = *made;
  return std::move(*made);
}

}  // namespace rollcall
