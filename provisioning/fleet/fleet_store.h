// FleetStore: the ProviderStore of a fleet. The set of providers is one document that all sidecars
// share (SharedDocument: a key of etcd); whoever accepts a write replaces it by compare and set,
// everybody else follows it and takes it over whole.
//
// What is there is believed only if it goes on from the set that is followed: a later revision, of
// the same fleet or in the same store (FleetVerdict). A document that is gone, older, another one,
// broken or foreign changes nothing: what runs goes on running, and status, log and metrics say
// why. Whoever means it names the revision that runs here (save_over) and so stores a set again.
//
// The set that was followed last is kept in `fleet.jsonl`: a sidecar that starts while the store is
// away goes on with it. One that has none starts with what it had by itself (`providers.jsonl`), at
// revision 0 and without a claim that it is the fleet's.
//
// A write whose answer was lost is looked up at once, and if that does not help its outcome is
// `unknown`; nothing is believed of the document then, until it has been looked at again.
//
// Threads: the ProviderStore's part is called under the registry's one turn; observe(), known(),
// generation() and status() from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file_system.h"
#include "core/provider_store.h"
#include "core/shared_document.h"
#include "core/time.h"
#include "provisioning/fleet/fleet_document.h"
#include "provisioning/registry/store_status.h"

namespace rollcall {

// Something that an operator wants to know, when it happens.
struct FleetNews {
  enum class Level : std::uint8_t { Info, Warning, Error };
  Level level = Level::Info;
  std::string_view event;  // a stable name: "store_lost", "store_back", "store_refused" …
  std::optional<ErrorCode> code;
  std::string message;
};

class FleetStore final : public SharedProviderStore {
 public:
  struct Options {
    std::string directory;        // the state directory
    std::string key;              // which document
    std::string where;            // for messages: "etcd key /rollcall/prod/providers"
    std::uint64_t new_fleet = 1;  // the identity of a fleet that begins here: random, not 0
  };
  // `document` is for writing, and belongs to the store from now on; all outlive it. `tell` is
  // called without a lock, on whichever thread noticed, and may be null.
  FleetStore(FileSystem& files, const Clock& clock, SharedDocument& document, Options options,
             std::function<void(const FleetNews&)> tell);

  // What this sidecar has of it, or had by itself; the store is not asked.
  Result<StoredProviders> load() override;
  // REVISION_CONFLICT: another set is there, and newer() may have it. INDEX_ROLLBACK,
  // STORE_CORRUPTED, INVALID_CONFIG: what is there is not followed, and not replaced by that.
  // LIMIT_EXCEEDED; the errors of the store.
  tl::expected<Revision, WriteOutcome> save(const std::vector<ProviderDescriptor>& providers,
                                            Revision expected) override;
  tl::expected<Revision, WriteOutcome> save_over(const std::vector<ProviderDescriptor>& providers,
                                                 Revision expected) override;
  Result<void> refresh() override;
  std::optional<StoredProviders> newer() override;
  void taken_over() override;
  void refused(const ProvisioningError& why) override;
  void settle() override;

  // --- for whoever follows the document ---
  enum class Next : std::uint8_t {
    Wait,      // nothing to do
    TakeOver,  // the registry should come and look
    Again,     // a write of ours overtook that look: it says nothing
  };
  // `generation`: as it was before the look began.
  Next observe(Result<SharedState> state, std::uint64_t generation);
  SharedVersion known() const;
  std::uint64_t generation() const;

  StoreStatus status() const;

 private:
  // The newest that was seen of the document.
  struct Seen {
    SharedVersion version;
    FleetVerdict verdict = FleetVerdict::Absent;
    std::optional<Revision> revision;  // of the set in it
    std::optional<FleetSet> offer;     // to be taken over
    bool refused = false;              // the registry would not have it
  };
  struct Candidate {
    SharedVersion version;
    FleetSet set;
  };
  enum class Purpose : std::uint8_t { Plain, Over };

  tl::expected<Revision, WriteOutcome> write(const std::vector<ProviderDescriptor>& providers,
                                             Revision expected, Purpose purpose);
  // With mutex_ held: why the document may not be replaced now.
  std::optional<ProvisioningError> obstacle(Revision expected, Purpose purpose) const;
  Revision written(FleetSet set, const SharedVersion& version);
  tl::expected<Revision, WriteOutcome> after_failure(FleetSet set, SwapFailure failure);
  Next take_in(const SharedState& state, std::uint64_t generation);
  ProvisioningError trouble_of(FleetVerdict verdict, std::optional<Revision> seen) const;
  void set_trouble(std::optional<ProvisioningError> trouble, std::vector<FleetNews>& news);
  Revision running() const { return followed_ ? followed_->set.set.revision : Revision(); }
  void copy();
  void reached();
  void lost(const ProvisioningError& why);
  void tell(const std::vector<FleetNews>& news) const;

  FileSystem& files_;
  const Clock& clock_;
  SharedDocument& document_;
  const Options options_;
  const std::function<void(const FleetNews&)> tell_;
  std::optional<Candidate> offered_;  // by newer(), under the registry's turn

  mutable std::mutex mutex_;           // guards what follows; held for a few instructions only
  std::optional<FleetCopy> followed_;  // the fleet's set that runs here
  std::uint64_t generation_ = 0;       // of followed_
  std::optional<Seen> seen_;
  std::optional<ProvisioningError> trouble_;  // why what was seen is not followed
  std::optional<ProvisioningError> lost_;     // why the store was not reached last
  std::optional<MonoTime> contact_;
  WallTime contact_at_{};
  bool copy_due_ = false;  // fleet.jsonl is behind
  bool unsure_ = false;    // a write of ours may yet be made
};

}  // namespace rollcall
