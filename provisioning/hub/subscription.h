// Subscription: one subscriber's cursor, without a transport. It answers next() with a range of
// bytes to send, with "nothing, I will wake you", or with the end.
//
// There is no queue behind it: it reads the shared log and the shared snapshots when it is asked,
// so a slow subscriber costs nothing and one that falls off the log is given a snapshot (SPEC 5).
//
// Threads: next() and written() come from one thread at a time, the transport's; close() from any.
// The Waker is called without any lock held, by the hub's fan-out thread (HubThreads, or whoever
// calls WatchHub::poll) or by the thread that opened the stream which replaces this one. The hub
// outlives its subscriptions.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/error.h"
#include "core/ids.h"
#include "core/snapshot.h"
#include "core/time.h"
#include "provisioning/hub/consumer_table.h"
#include "provisioning/hub/event_log.h"
#include "provisioning/hub/mutex.h"
#include "provisioning/hub/snapshot_store.h"

namespace rollcall {

class WatchHub;

// The transport's side. Both calls may come at any time until the subscription is destroyed, also
// when they are not needed; neither may block.
class Waker {
 public:
  virtual ~Waker() = default;
  // next() has something to say. It may come once too often, never too rarely.
  virtual void wake() = 0;
  // A write has been under way for 30 s: break it off and end the stream with this error.
  virtual void abandon(const ProvisioningError& error) = 0;
};

struct WatchRequest {
  Bridge bridge = Bridge::Placement;
  std::string consumer_id;
  Epoch epoch;  // with `after`: where to resume
  SeqNo after;  // 0: from a snapshot
  bool acknowledges = false;
};

class Subscription : public std::enable_shared_from_this<Subscription> {
 public:
  enum class Outcome : std::uint8_t {
    Batch,  // send `slices`, in order, as one message; then call written()
    Idle,   // the Waker is called when there is more
    Ended,  // finish the stream: with `error`, or in order if there is none
  };
  struct Next {
    Outcome outcome = Outcome::Idle;
    std::array<Slice, 2> slices;  // the second: a bookmark right behind the events
    std::uint32_t slice_count = 0;
    std::optional<ProvisioningError> error;
    std::size_t bytes() const { return slices[0].size + slices[1].size; }
  };

  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  // At most `max_bytes` of events (a single larger one comes whole; a snapshot chunk has its own
  // limit, kMaxChunkBytes). After Batch the next call comes after written().
  Next next(std::size_t max_bytes, MonoTime now);
  // The batch has left, or is lost together with the stream.
  void written();
  // The transport is gone. Any thread, idempotent; next() answers Ended from now on.
  void close();

  const std::string& consumer_id() const { return request_.consumer_id; }
  Bridge bridge() const { return request_.bridge; }
  // Newest event or snapshot handed out.
  SeqNo position() const { return SeqNo(meter_->position.load(std::memory_order_relaxed)); }

 private:
  friend class WatchHub;

  enum class State : std::uint8_t {
    Resuming,       // → Following, AwaitSnapshot, Ended
    AwaitSnapshot,  // → SendChunks, Ended (NO_SNAPSHOT, TIMEOUT)
    SendChunks,     // → SendLast, AwaitSnapshot (its version is gone), Ended
    SendLast,       // → Following, AwaitSnapshot, Ended (one snapshot was all that was asked for)
    Following,      // → AwaitSnapshot (reset, evicted), Ended
    Ended,
  };
  enum class Kind : std::uint8_t { Watch, OneSnapshot, OneSnapshotAfterPlacement };
  // What a waiting subscription waits for; bits of `waiting_`.
  enum Wait : std::uint8_t {
    kWaitLog = 1,
    kWaitSnapshot = 2,
    kWaitPlacement = 4,
    kWaitTime = 8,
    kWaitEnd = 16,
  };

  Subscription(WatchHub& hub, WatchRequest request, Kind kind, std::shared_ptr<Waker> waker,
               MonoTime now);

  // What handling one state came to.
  enum class Step : std::uint8_t {
    Done,   // `out` is the answer
    Again,  // look at the (new) state
    Wait,   // nothing now: wait for wait_for_ until due
  };
  Step handle(Next& out, std::size_t max_bytes, MonoTime now);
  Step resume();
  Step await_snapshot(Next& out, MonoTime now);
  Step await_placement(Next& out, MonoTime now);
  Step send_chunk(Next& out, MonoTime now);
  Step send_last_chunk(Next& out, MonoTime now);
  Step follow(Next& out, std::size_t max_bytes, MonoTime now);

  Step finish(Next& out, std::optional<ProvisioningError> error);
  Step sent(Next& out, MonoTime now, std::uint64_t events = 0);
  // For the counters: one snapshot alone is what partition asks for.
  Bridge counted_as() const { return kind_ == Kind::Watch ? request_.bridge : Bridge::Partition; }
  Step wait(std::uint8_t what, std::optional<MonoTime> due);
  Step resync();
  void after_snapshot();
  void take(std::shared_ptr<const EncodedSnapshot> version);
  bool bookmark(Slice& out);
  void arm();

  // Any thread.
  void end(ProvisioningError error);
  // Fan-out thread: takes the wake-up if the subscription waits for one of `what`.
  bool take_wake(std::uint8_t what);
  std::optional<ProvisioningError> end_reason() const;

  WatchHub& hub_;
  const WatchRequest request_;
  const Kind kind_;
  const std::shared_ptr<Waker> waker_;
  const std::shared_ptr<StreamMeter> meter_ = std::make_shared<StreamMeter>();

  // The transport's thread only.
  State state_ = State::Resuming;
  EventLog::Cursor cursor_;
  std::weak_ptr<const EncodedSnapshot> version_;
  std::shared_ptr<const EncodedSnapshot> awaited_;  // until it is acknowledged and sent
  std::size_t chunk_ = 0;
  SeqNo snapshot_min_;   // one snapshot: at least this one
  MonoTime deadline_{};  // of OneSnapshotAfterPlacement
  MonoTime last_sent_{};
  std::uint8_t wait_for_ = 0;
  MonoTime wait_until_{};
  bool asked_ = false;         // for a snapshot, since the last one
  bool bookmark_due_ = false;  // after a resume or a snapshot
  std::optional<ProvisioningError> final_error_;

  std::atomic<std::uint8_t> waiting_{0};
  std::atomic<std::int64_t> due_{0};  // with kWaitTime: MonoTime in ns
  std::atomic<bool> ending_{false};
  std::atomic<bool> closed_{false};
  mutable Mutex end_mutex_;  // guards why the stream is made to end
  std::optional<ProvisioningError> end_error_ ROLLCALL_GUARDED_BY(end_mutex_);
};

}  // namespace rollcall
