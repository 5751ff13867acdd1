// ProviderStore: where the accepted descriptors live (SPEC 7). The file in the state directory is
// the embedded default; a store shared by a fleet (etcd) implements the same interface, which is
// why it holds what the *operator* wants and nothing that one sidecar observed (ObservedProviders
// does).
//
// Threads: the registry calls it from one thread at a time.
#pragma once

#include <vector>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/file_system.h"
#include "core/ids.h"

namespace rollcall {

struct StoredProviders {
  Revision revision;                          // 0: nothing was ever stored
  std::vector<ProviderDescriptor> providers;  // in registration order; ids differ
};

class ProviderStore {
 public:
  virtual ~ProviderStore() = default;

  // The whole set, everything validated. STORE_CORRUPTED says where, why and which command
  // recovers; nothing is dropped or repaired.
  virtual Result<StoredProviders> load() = 0;

  // Replaces the whole set, atomically and durably, if the stored revision is `expected`; answers
  // the new one. REVISION_CONFLICT (another writer was faster), STORE_IO. With `unknown` true
  // either set may be there after a power cut, and the next save() first puts the last certain one
  // back.
  virtual tl::expected<Revision, WriteOutcome> save(
      const std::vector<ProviderDescriptor>& providers, Revision expected) = 0;
};

}  // namespace rollcall
