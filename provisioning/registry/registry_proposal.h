// What the registry's operations (provider_registry.cpp) hand to its writing (registry_write.cpp).
// Private to this folder.
//
// Threads: values.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "provisioning/registry/provider_registry.h"

namespace rollcall {

// A set that might replace the present one.
struct ProviderRegistry::Proposal {
  std::vector<AcceptedProvider> next;
  std::vector<ProviderId> release_holds;
  // Unchanged ones; whatever they answer does not fail the write.
  std::vector<ProviderId> ask_again;
};

// What the backends of one write have answered so far.
struct ProviderRegistry::Checked {
  struct Answer {
    ProviderDescriptor asked;
    Result<Capabilities> result;
  };
  std::map<ProviderId, Answer> answers;
};

inline std::vector<ProviderDescriptor> descriptors_of(
    const std::vector<AcceptedProvider>& providers) {
  std::vector<ProviderDescriptor> descriptors;
  descriptors.reserve(providers.size());
  for (const AcceptedProvider& provider : providers) descriptors.push_back(provider.descriptor);
  return descriptors;
}

inline AcceptedProvider* find_in(std::vector<AcceptedProvider>& providers, const ProviderId& id) {
  const auto found = std::find_if(providers.begin(), providers.end(),
                                  [&](const auto& p) { return p.descriptor.id == id; });
  return found == providers.end() ? nullptr : &*found;
}

inline const AcceptedProvider* find_in(const std::vector<AcceptedProvider>& providers,
                                       const ProviderId& id) {
  return find_in(const_cast<std::vector<AcceptedProvider>&>(providers), id);
}

}  // namespace rollcall
