// ProviderRegistry: the set of accepted providers, and the only way to change it.
//
// Every write is one step: check everything (R1.1), ask the backends of new and changed descriptors
// (R1.4), store the whole new set (R1.5, R5.4), and only then change what is in memory and tell the
// listener. The set is the new one or the old one, never a mixture.
//
// Who may change what: entries of the configuration (Origin::Config) can't be edited through the
// API and are refused with PERMISSION_DENIED; apply_config() prunes only those. An id belongs to
// whoever registered it first: the other one gets DUPLICATE_NAME.
//
// Threads: any; no lock is held while a backend is asked, the disk is written or the listener runs.
// Writes are serialised in the order in which they reach the store; backends are asked before that,
// and if the set changed meanwhile the write is judged again against the new one. Writers block:
// call them from a thread that may (at most limits::kMaxRegistryWriters wait, then LIMIT_EXCEEDED).
// Reads never wait for a write.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/descriptor.h"
#include "core/error.h"
#include "core/ids.h"
#include "core/provider_store.h"
#include "provisioning/registry/provider_validator.h"
#include "provisioning/registry/registry_plan.h"
#include "provisioning/registry/state_files.h"

namespace rollcall {

// A descriptor and what was observed when it was accepted (SPEC 1: not part of the descriptor).
struct AcceptedProvider {
  ProviderDescriptor descriptor;
  bool accepted_unreachable = false;              // --allow-unreachable, and it was (R1.4)
  std::optional<std::string> missing_capability;  // R1.3: kept, never activated
  friend bool operator==(const AcceptedProvider&, const AcceptedProvider&) = default;
};

struct RegistryWrite {
  bool validate_only = false;
  std::optional<Revision> expected_revision;  // REVISION_CONFLICT names both
  bool allow_unreachable = false;
  bool prune = false;  // apply() only: remove API entries that are not in the set
  // update() only: the descriptor does not say whether it is enabled, and so that stays as it is at
  // the moment of the write.
  bool keep_enabled = false;
};

struct RegistryChange {
  Revision
      revision;  // after the write; with validate_only (or when nothing changed) the current one
  std::vector<PlanStep> plan;
  // validate_only: what the write would have failed with; its problems are all there are.
  std::optional<ProvisioningError> would_fail;
};

class ProviderRegistry {
 public:
  struct View {
    Revision revision;
    std::vector<AcceptedProvider> providers;  // in registration order
  };
  // After each change, in the order of the revisions, on the writing thread, before the write's
  // call returns. Must only hand the set over (no waiting, no call back into the registry).
  // `release_holds`: providers that an operator enabled (R5.2).
  using Listener = std::function<void(const std::vector<AcceptedProvider>&, Revision,
                                      const std::vector<ProviderId>& release_holds)>;

  // For the metrics: told of each durable write, on the writing thread. `failure`: null when it
  // went well.
  using OnStored =
      std::function<void(std::string_view file, const WriteOutcome* failure, Duration took)>;

  // Loads the stored set. STORE_CORRUPTED, STORE_IO. A stored descriptor whose kind this build
  // lacks or that its kind no longer accepts is an INVALID_CONFIG with all problems: nothing is
  // dropped. `state` may be null (tests): then nothing observed survives. All arguments outlive the
  // registry.
  static Result<std::unique_ptr<ProviderRegistry>> open(ProviderStore& store, StateFiles* state,
                                                        const ProviderValidator& validator);
  // The same over a store that a fleet shares: a write first looks at what is there now, and one
  // that another sidecar overtook is judged again. If the store can't be reached a write fails with
  // its error; what stores nothing (to end a hold) goes on.
  static Result<std::unique_ptr<ProviderRegistry>> open(SharedProviderStore& store,
                                                        StateFiles* state,
                                                        const ProviderValidator& validator);

  // Set once, before the first write that it should hear of.
  void set_listener(Listener listener);
  void set_on_stored(const Clock& clock, OnStored on_stored);

  std::shared_ptr<const View> view() const;  // never null; immutable
  std::optional<AcceptedProvider> find(const ProviderId& id) const;

  // DUPLICATE_NAME, INVALID_CONFIG, LIMIT_EXCEEDED, BACKEND_UNAVAILABLE/TIMEOUT/AUTH_FAILED …
  Result<RegistryChange> add(ProviderDescriptor d, const RegistryWrite& write);
  // Keeps its place in the order. NOT_FOUND, PERMISSION_DENIED.
  Result<RegistryChange> update(ProviderDescriptor d, const RegistryWrite& write);
  Result<RegistryChange> remove(const ProviderId& id, const RegistryWrite& write);
  // Clears a validation hold as well, also of an entry that is enabled already or that the
  // configuration owns (then nothing is stored).
  Result<RegistryChange> enable(const ProviderId& id, const RegistryWrite& write);
  Result<RegistryChange> disable(const ProviderId& id, std::string reason,
                                 const RegistryWrite& write);
  // Adds and updates; with `prune` removes what is left. An entry equal to the configuration's is
  // kept.
  Result<RegistryChange> apply(std::vector<ProviderDescriptor> set, const RegistryWrite& write);

  // `providers:` of the configuration, in one write. At start nobody is asked (R1.4: never at
  // start).
  enum class When : std::uint8_t { Start, Reload };
  Result<RegistryChange> apply_config(std::vector<ProviderDescriptor> set, When when,
                                      bool allow_unreachable);
  // Takes over what others have stored, if there is something and this build accepts all of it: the
  // new set, or the old one. For the thread that follows the store.
  void take_over();
  // The embedded default (SPEC 9): one in-memory provider `default`, if nothing was ever stored.
  Result<RegistryChange> seed_default();

 private:
  struct Proposal;  // a set that might replace the present one
  struct Checked;   // what the backends of one write have answered so far
  using Propose = std::function<Result<Proposal>(const View&)>;

  ProviderRegistry(ProviderStore& store, StateFiles* state, const ProviderValidator& validator);
  // Judges, asks, stores. `ask` false: no backend is asked.
  Result<RegistryChange> write(const RegistryWrite& write, bool ask, const Propose& propose);
  Result<RegistryChange> try_write(const RegistryWrite& write, bool ask, const Propose& propose);
  Result<void> ask_backends(const View& base, const RegistryWrite& write, Proposal& proposal,
                            Checked& checked) const;
  // By the one writer. Stores what changed, then shows it, then tells the listener.
  Result<Revision> commit(const View& base, const Proposal& proposal, const RegistryWrite& write);
  tl::expected<Revision, WriteOutcome> store(const std::vector<ProviderDescriptor>& set,
                                             Revision expected, const RegistryWrite& write);
  void show(std::shared_ptr<const View> next, const std::vector<ProviderId>& release_holds);
  Result<void> catch_up();  // looks at a shared store, and takes over
  void adopt();             // by the one who has the turn
  Result<void> save_observed(const View& base, const Proposal& proposal);
  void tell_stored(std::string_view file, MonoTime began, const WriteOutcome* failure) const;
  // Taking turns. False: the set is no longer `base`, and it is nobody's turn.
  Result<bool> begin_write(const std::shared_ptr<const View>& base);
  Result<void> take_turn();
  void end_write();

  ProviderStore& store_;
  SharedProviderStore* shared_ = nullptr;  // the same one, if a fleet shares it
  StateFiles* const state_;
  const ProviderValidator& validator_;
  const Clock* clock_ = nullptr;  // with on_stored_
  OnStored on_stored_;
  // The writer's, as are the outcomes that are unknown (SPEC 7).
  ObservedProviders observed_on_disk_;
  bool store_unsure_ = false;
  bool observed_unsure_ = false;

  mutable std::mutex mutex_;  // guards what follows; held for a few instructions only
  std::condition_variable write_ended_;
  bool writing_ = false;     // a writer is between begin_write() and end_write()
  std::size_t waiting_ = 0;  // writers that wait for it
  std::shared_ptr<const View> view_;
  Listener listener_;
};

}  // namespace rollcall
