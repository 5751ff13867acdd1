// EtcdStream: follows the keys below a prefix. All of them are read at one revision, and watched
// from the next on.
//
// When the view counts as the truth (SPEC 3): a watch says nothing while nothing changes, and
// nothing while it is broken, either. So every attest interval a quorum is asked where it is; the
// view is attested once it is known to be complete up to there:
//   - the quorum is where the view is: nothing was written at all; or
//   - the watch has told of a later change, since it tells them in order; or
//   - the watch says that it has come that far, on versions of etcd whose word that is
//     (trusts_progress()); or
//   - a proof (EtcdReader::prove).
// If none of these holds in time, the watch is in doubt, and everything is read anew.
//
// The history: revisions below those seen before, another cluster id, or keys whose past is not the
// one we know are INDEX_ROLLBACK and begin a new lineage. A compacted revision is not: everything
// is read anew, in the same lineage.
//
// A member of etcd that goes down ends the watches of a whole fleet at one moment. So each stream
// begins at an endpoint of its own, and waits for a moment at random before it reads anew: reading
// everything is what costs etcd most. (It has to be everything: a watch that went on from the
// revision it had come to would not show a backup that has overtaken it.)
//
// Threads: a ProviderStream's rules.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "core/provider.h"
#include "providers/common/jitter.h"
#include "providers/common/rate_limit.h"
#include "providers/etcd/etcd_calls.h"
#include "providers/etcd/etcd_client.h"
#include "providers/etcd/etcd_reader.h"
#include "providers/etcd/etcd_settings.h"
#include "providers/etcd/etcd_view.h"
#include "providers/etcd/etcd_watch.h"

namespace rollcall {

// What a provider knows of its cluster's history. It outlives a stream, so that a state that was
// lost while nobody watched is noticed by the next one.
class EtcdHistory {
 public:
  // Before a question is put, and
  EtcdPosition known() const;
  // with its answer. False: the answer cannot be of the same history, whoever else has noted
  // something meanwhile; then a new lineage has begun.
  bool note(const EtcdPosition& known_before, const EtcdPosition& answer);
  // A watch of the same cluster has told of this revision.
  void reached(const EtcdPosition& position);
  // The answer is of another history, by other evidence.
  void broke(const EtcdPosition& answer);
  std::uint64_t lineage() const;

 private:
  void raise(const EtcdPosition& position);

  mutable std::mutex mutex_;  // guards both; two streams may overlap for a moment
  EtcdPosition newest_;       // cluster 0: none yet
  std::uint64_t lineage_ = 0;
};

// Whether a progress notification that was asked for proves that the watch told all up to its
// revision. In etcd before 3.4.25 and 3.5.8 it overtakes changes that are still to be sent, and
// before 3.4.31 and 3.5.13 a quiet watch gives none.
bool trusts_progress(std::string_view etcd_version);

class EtcdStream : public ProviderStream {
 public:
  EtcdStream(std::shared_ptr<const EtcdSettings> settings, const AuthRef& auth,
             std::shared_ptr<EtcdHistory> history, const Clock& clock, std::uint64_t seed,
             std::optional<bool> trust_progress = std::nullopt);  // none: by the server's version
  ~EtcdStream() override;
  ProviderEvent next() override;
  void cancel() noexcept override { calls_.cancel(); }

 private:
  using Maybe = Result<std::optional<ProviderEvent>>;  // none: nothing to tell yet

  Result<ProviderEvent> advance(MonoTime deadline);
  Result<ProviderEvent> synchronise(MonoTime deadline);
  Result<void> open_watch(MonoTime deadline);
  Result<ProviderEvent> follow(MonoTime deadline);
  Maybe digest(const etcdserverpb::WatchResponse& response);
  Maybe apply(const etcdserverpb::WatchResponse& response);
  Result<void> begin_check(MonoTime deadline);
  Maybe pursue_check(MonoTime deadline);
  void reach(std::int64_t revision);  // the view is complete up to there
  ProviderEvent tell_whole(const AnswerTimes& times);
  std::optional<ProviderEvent> tell_difference();
  AnswerTimes times_since(MonoTime read_began) const;
  tl::unexpected<ProvisioningError> rollback(const std::string& why);

  const std::shared_ptr<const EtcdSettings> settings_;
  const std::shared_ptr<EtcdHistory> history_;
  const Clock& clock_;
  const std::optional<bool> trust_progress_;
  EtcdCalls calls_;
  EtcdClient client_;
  EtcdReader reader_;
  TokenBucket bucket_;
  Jitter jitter_;
  MonoTime read_at_{};  // not before

  std::optional<EtcdView> view_;  // complete up to at_.revision
  EtcdPosition at_;
  std::unique_ptr<EtcdWatch> watch_;
  bool progress_is_proof_ = false;  // of the server that is watched
  bool doubt_ = false;              // everything is to be read anew

  // The check that runs: the view is to be complete up to `revision`.
  struct Check {
    std::int64_t revision = 0;
    MonoTime began{};
    MonoTime give_up{};
    MonoTime prove_at{};
  };
  std::optional<Check> check_;
  MonoTime next_check_{};

  // What was told last; the lineage of none is none. After a failure it still stands.
  std::optional<std::uint64_t> told_lineage_;
  std::uint64_t told_digest_ = 0;
  std::size_t told_count_ = 0;
  bool in_step_ = false;  // what was told is the view before its last difference
};

}  // namespace rollcall
