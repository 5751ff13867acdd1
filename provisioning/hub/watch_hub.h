// WatchHub: the ordered event log, its snapshots, its subscribers and what they acknowledge (SPEC
// 5, 6).
//
// The writer calls publish() once a step. It costs the encoding of the step's events and one
// notification, whatever the number of subscribers: waking them is the fan-out thread's work, and
// encoding snapshots the encoder thread's. Both are run by HubThreads in the daemon; a simulator,
// which wants no threads, calls poll() instead.
//
// Threads: publish() by the one writer; everything else from any thread. The state after a
// step and the log's end change together, so a snapshot always says which place of the log it is.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/event.h"
#include "core/ids.h"
#include "core/limits.h"
#include "core/snapshot.h"
#include "core/time.h"
#include "provisioning/hub/consumer_table.h"
#include "provisioning/hub/encoders.h"
#include "provisioning/hub/event_log.h"
#include "provisioning/hub/hub_traffic.h"
#include "provisioning/hub/mutex.h"
#include "provisioning/hub/snapshot_store.h"
#include "provisioning/hub/subscription.h"

namespace rollcall {

struct HubOptions {
  Epoch epoch;
  SeqNo first_seq;      // make_seq(boot, 1)
  std::string cluster;  // what a request's `cluster` must say, if it says anything; empty: anything
  std::size_t log_bytes = limits::kLogBytes;
  std::size_t block_bytes = limits::kLogBlockBytes;
  std::size_t max_subscribers = limits::kMaxSubscribers;
  std::size_t max_placement_waits = limits::kMaxPlacementWaits;
  Duration bookmark_every = limits::kBookmarkEvery;
  Duration write_stall = limits::kWriteStall;
};

struct HubStats {
  EventLog::Stats log;
  SnapshotStore::Stats snapshots;
  std::size_t subscribers = 0;  // open streams, one-snapshot calls included
  std::uint64_t resyncs = 0;    // streams that fell off the log or met a reset
  std::uint64_t replaced_streams = 0;
  std::uint64_t stalled_streams = 0;  // ended by kWriteStall
  HubTraffic::Totals traffic;         // by bridge
};

class WatchHub {
 public:
  // The encoders outlive the hub.
  WatchHub(HubOptions options, EventEncoder& events, const SnapshotEncoder& snapshots);
  ~WatchHub();  // every subscription is closed and destroyed before
  WatchHub(const WatchHub&) = delete;
  WatchHub& operator=(const WatchHub&) = delete;

  // --- the writer ---

  // A step's events, in order and without a gap, and the state after it. Without events `state`
  // keeps its seq_no and says only what causes no event (time of confirmation, say). Aborts on a
  // gap.
  void publish(std::span<const Event> events, std::shared_ptr<const TopologySnapshot> state);
  // Graceful end: every stream gets all that was published before and ends with SHUTTING_DOWN; new
  // ones are refused. The writer may go on publishing (a tick, a late answer); whether a stream
  // still gets that is left open. Any thread, idempotent. Done when stats().subscribers is 0.
  void close();

  // --- subscribers ---

  // A stream of everything after (epoch, after), beginning with a snapshot where that place is not
  // in the log. The stream it replaces ends with OUT_OF_ORDER (ABORTED on the wire).
  // LIMIT_EXCEEDED, SHUTTING_DOWN. NO_SNAPSHOT comes from next().
  Result<std::shared_ptr<Subscription>> subscribe(WatchRequest request,
                                                  std::shared_ptr<Waker> waker, MonoTime now);
  // One snapshot, at least as new as this moment, then the end. With `placement_deadline` it is one
  // that placement has acknowledged; TIMEOUT after that names who has not. NO_SNAPSHOT,
  // LIMIT_EXCEEDED, SHUTTING_DOWN.
  Result<std::shared_ptr<Subscription>> latest_snapshot(std::optional<MonoTime> placement_deadline,
                                                        std::shared_ptr<Waker> waker, MonoTime now);
  Result<void> acknowledge(const std::string& consumer_id, Epoch epoch, SeqNo seq);

  // --- anyone ---

  std::shared_ptr<const TopologySnapshot> state() const;  // null before the first publish
  Epoch epoch() const { return options_.epoch; }
  const std::string& cluster() const { return options_.cluster; }
  SeqNo head() const { return log_.head(); }
  std::vector<ConsumerStatus> consumers() const { return consumers_.list(head()); }
  std::vector<ConsumerTable::Lag> lags() const { return consumers_.lags(head()); }
  HubStats stats() const;

  // --- what the hub's threads do (HubThreads), or a simulator between steps ---

  // Wakes whom the last publications, encodings and acknowledgements concern.
  void fan_out();
  // Wakes whose time has come (bookmark, deadline) and ends what stalled. About once a second.
  void tick(MonoTime now);
  // Encodes a snapshot if somebody waits for one; true if it did.
  bool encode_pending();
  // All of it, until nothing is left to do.
  void poll(MonoTime now);
  // Blocks until there is work for fan_out() / encode_pending(), `for_at_most` long, or until
  // stop_waiting() was called.
  void wait_for_fan_out(Duration for_at_most);
  void wait_for_encoding(Duration for_at_most);
  // Blocks `for_at_most` long or until stop_waiting() was called; the encoder's pause.
  void rest(Duration for_at_most);
  void stop_waiting();

 private:
  friend class Subscription;
  using List = std::vector<std::shared_ptr<Subscription>>;

  Result<std::shared_ptr<Subscription>> add(std::shared_ptr<Subscription> subscription);
  void remove(Subscription& subscription);  // by Subscription::close()
  std::shared_ptr<const List> subscriptions() const;
  // Any thread: the fan-out thread is to wake whoever waits for one of `what`.
  void signal(std::uint8_t what);
  void want_snapshot(SeqNo min);
  void placement_changed();

  const HubOptions options_;
  EventLog log_;
  SnapshotStore snapshots_;
  ConsumerTable consumers_;
  const SnapshotEncoder& encoder_;

  mutable Mutex state_mutex_;  // guards the pointer, and joins it with the log's end
  std::shared_ptr<const TopologySnapshot> state_ ROLLCALL_GUARDED_BY(state_mutex_);

  mutable Mutex list_mutex_;  // guards the list; the writer never takes it
  std::shared_ptr<const List> list_ ROLLCALL_GUARDED_BY(list_mutex_);

  Mutex wake_mutex_;  // guards the flags between the writer and the hub's threads
  std::condition_variable fan_out_wanted_;
  std::condition_variable encoding_wanted_;
  std::condition_variable rest_over_;
  std::uint8_t signals_ ROLLCALL_GUARDED_BY(wake_mutex_) = 0;
  bool encode_ ROLLCALL_GUARDED_BY(wake_mutex_) = false;
  bool stop_ ROLLCALL_GUARDED_BY(wake_mutex_) = false;

  std::atomic<bool> closing_{false};
  std::atomic<std::size_t> placement_waits_{0};
  std::atomic<std::uint64_t> resyncs_{0};
  std::atomic<std::uint64_t> replaced_{0};
  std::atomic<std::uint64_t> stalled_{0};
  HubTraffic traffic_;
};

}  // namespace rollcall
