// ProviderStore: where the accepted descriptors live (SPEC 7). The file in the state directory is
// the embedded default; a store shared by a fleet (etcd) implements the same interface, which is
// why it holds what the *operator* wants and nothing that one sidecar observed (ObservedProviders
// does).
//
// Threads: the registry calls it from one thread at a time.
#pragma once

#include <optional>
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

// A ProviderStore that others write to as well: a fleet's. What they store is offered, and taken
// over whole or refused; what must not be believed (an emptied or restored store) is not offered.
// The registry calls it under the one writer's turn.
class SharedProviderStore : public ProviderStore {
 public:
  // Asks the store what is there now. BACKEND_UNAVAILABLE, TIMEOUT, AUTH_FAILED … if it can't be
  // reached.
  virtual Result<void> refresh() = 0;
  // A later set than the one that load(), save() or taken_over() left here. None: there is none.
  virtual std::optional<StoredProviders> newer() = 0;
  // What became of the set that newer() offered last.
  virtual void taken_over() = 0;
  virtual void refused(const ProvisioningError& why) = 0;
  // Nothing was offered: a chance to do what could not be done before (the local copy, say).
  virtual void settle() = 0;
  // save() of somebody who names the revision that runs here, and so means it: also where the
  // store lost or went back behind that revision.
  virtual tl::expected<Revision, WriteOutcome> save_over(
      const std::vector<ProviderDescriptor>& providers, Revision expected) = 0;
};

}  // namespace rollcall
