// KubernetesStream: lists the slices of a service, watches what follows, and proves again and again
// that what the watch has brought is still everything.
//
// The proof is a small read (limit=1, names only) on another connection than the watch's, answered
// from etcd's quorum. That it is answered shows that the server lives, reaches etcd, and still
// takes our credentials and permissions (a watch is asked for them only when it begins). What it
// shows must be in the view: its version must not be below any that was seen before (else the
// history broke, see below), and the slice that it names must be there in that version; a service
// of one slice (most have no more) is proven completely. A view that lacks it gives the watch a
// second to catch up, and is then listed anew. Of several slices the others are proven by the watch
// alone: it must come, by events or bookmarks, to where a read has been within three minutes, or it
// is stuck and is opened anew from a list.
//
// Versions are compared to *doubt* only, never to drop an event. A list's that is lower than one
// seen before, a slice's that became lower while the list's did not, and another uid of kube-system
// mean a restored or another etcd: INDEX_ROLLBACK and a new lineage.
//
// A watch that ends in order, or because its server restarts, is opened again at once (after a
// random moment) and silently; a view is told again only if it differs. After any failure the
// next thing said is proven by a read that began after it.
//
// Threads: a ProviderStream's rules.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>

#include "core/provider.h"
#include "providers/common/cancel.h"
#include "providers/common/rate_limit.h"
#include "providers/kubernetes/kubernetes_client.h"
#include "providers/kubernetes/kubernetes_settings.h"
#include "providers/kubernetes/slice_view.h"

namespace rollcall {

// What a provider knows of its cluster's history. It outlives a stream, so that a state that was
// lost while nobody watched is noticed by the next one.
class KubernetesHistory {
 public:
  // Of a confirmed read. False: it is below one that was seen; a new lineage has begun.
  bool note(const std::string& version);
  // A read contradicts what was seen: a new lineage begins.
  void broke();
  // Of an event or bookmark, which may come late.
  void advance(const std::string& version);
  // Empty: unknown, which is no difference. False: another cluster; a new lineage has begun.
  bool identify(const std::string& cluster);
  std::uint64_t lineage() const;

 private:
  mutable std::mutex mutex_;  // guards all; two streams may overlap for a moment
  std::string newest_;
  std::string cluster_;
  std::uint64_t lineage_ = 0;
};

class KubernetesStream : public ProviderStream {
 public:
  // `seed`: of the watches' lengths and of the pauses before they are opened again.
  KubernetesStream(std::shared_ptr<const KubernetesSettings> settings, PodSurroundings pod,
                   std::shared_ptr<KubernetesHistory> history, const Clock& clock,
                   std::uint64_t seed);
  ProviderEvent next() override;
  void cancel() noexcept override { cancel_.cancel(); }

 private:
  // What can be said next; nothing: go on.
  using Said = Result<std::optional<ProviderEvent>>;

  Result<ProviderEvent> attempt(MonoTime deadline);
  Said step(MonoTime deadline);
  Said relist(MonoTime deadline);
  Result<void> identify(MonoTime deadline);
  Result<void> open_watch(MonoTime deadline);
  Result<void> pause_before_opening();

  Said follow(MonoTime deadline);
  Said tell_change();
  // Reads what the watch brings until the view may have changed, the watch ends, or `deadline`.
  Result<void> read_watch(MonoTime deadline);
  Result<void> gather();
  Result<bool> receive(MonoTime deadline);  // false: nothing came
  Result<void> take_lines();
  Result<void> take(const std::string& line);
  Result<void> watch_ended();

  Said attest(MonoTime deadline);
  Result<void> catch_up(const SliceHead& head);
  // INDEX_ROLLBACK.
  Result<void> same_history(const std::string& version, bool view_is_newer);
  bool watch_is_stuck(const SliceHead& head);

  std::int64_t random_between(std::int64_t min, std::int64_t max);

  const std::shared_ptr<KubernetesHistory> history_;
  const Clock& clock_;
  Cancel cancel_;
  const Io io_;
  const Duration attest_every_;
  KubernetesClient client_;
  TokenBucket bucket_;
  std::mt19937_64 random_;

  SliceView view_;
  bool listed_ = false;    // view_ is a list and what was watched since
  bool has_base_ = false;  // what view_ holds and what is read now are of one history
  std::string version_;    // up to where the view goes
  std::optional<std::uint64_t> told_lineage_;  // of none: nothing has been told

  // The watch that is open.
  std::string received_;  // of its body, the beginning of a line
  MonoTime opened_at_{};
  bool brought_anything_ = false;
  MonoTime open_not_before_{};  // after one that ended

  std::size_t events_ = 0;     // gathered for the next answer …
  MonoTime first_event_at_{};  // … and when the first of them came
  MonoTime attest_at_{};       // when the next proof is due; at once after a failure
  std::string ahead_version_;  // where a read was and the watch has not come yet; empty: nowhere
  MonoTime ahead_since_{};
};

}  // namespace rollcall
