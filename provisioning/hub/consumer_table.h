// ConsumerTable: who follows the log, how far they are, and what placement has acknowledged (SPEC
// 6).
//
// Acknowledgements are not durable and belong to one epoch. The barrier of
// GetLatestSnapshot(wait_for_placement) is `placement_floor()`: the newest place that every open
// placement stream which acknowledges has acknowledged. A closed or stalled stream doesn't count.
//
// Threads: any. Bounded: open streams by kMaxSubscribers (the hub's check), closed consumers that
// are remembered for their acknowledgement by the same number, oldest first.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/ids.h"
#include "core/limits.h"
#include "core/time.h"
#include "provisioning/hub/mutex.h"

namespace rollcall {

enum class Bridge : std::uint8_t { Placement = 1, Partition = 2, Remoting = 3 };
inline constexpr int kBridgeCount = 3;
std::string_view to_string(Bridge bridge);  // "placement" …

// What a stream shows of itself while it runs; written by its own thread, read by any.
struct StreamMeter {
  static constexpr std::int64_t kNotWriting = -1;
  std::atomic<std::uint64_t> position{0};  // newest seq_no handed to the transport
  // MonoTime in ns, while a batch is under way.
  std::atomic<std::int64_t> writing_since{kNotWriting};
  std::atomic<bool> stalled{false};
};

// For GetStatus and metrics.
struct ConsumerStatus {
  Bridge bridge = Bridge::Placement;
  std::string consumer_id;
  bool open = false;
  bool acknowledges = false;
  bool stalled = false;
  SeqNo position;             // newest event handed to its stream
  SeqNo acknowledged;         // 0: none
  std::uint64_t lag = 0;      // events between its position and the newest one; 0 when not open
  std::uint64_t streams = 0;  // opened in this epoch
  MonoTime opened_at{};
};

class Subscription;

class ConsumerTable {
 public:
  ConsumerTable(Epoch epoch, std::size_t max_closed) : epoch_(epoch), max_closed_(max_closed) {}

  struct Opening {
    Bridge bridge = Bridge::Placement;
    std::string consumer_id;
    bool acknowledges = false;
    SeqNo resumes_after;  // 0: from a snapshot; older acknowledgements are void then
    std::shared_ptr<Subscription> stream;
    std::shared_ptr<const StreamMeter> meter;
    MonoTime now{};
  };
  // The stream that this one replaces; null if there is none.
  std::shared_ptr<Subscription> open(Opening opening);
  // Nothing happens if another stream has replaced `stream`.
  void close(Bridge bridge, const std::string& consumer_id, const Subscription* stream);

  // OUT_OF_ORDER if `epoch` is another one or `seq` is ahead of `head`. An older one than known is
  // success and changes nothing.
  Result<void> acknowledge(const std::string& consumer_id, Epoch epoch, SeqNo seq, SeqNo head);
  // None: there is no open placement stream that acknowledges.
  std::optional<SeqNo> placement_floor() const;
  // "node-a, node-b and 3 more": who keeps the floor below `seq`.
  std::string missing(SeqNo seq) const;

  // Open ones first, then by bridge and name.
  std::vector<ConsumerStatus> list(SeqNo head) const;

  // One row a consumer for metrics: the first kMetricConsumers names that ever came (they keep
  // their row), then "other" with the largest lag among the rest.
  struct Lag {
    Bridge bridge = Bridge::Placement;
    std::string consumer;
    std::uint64_t events = 0;
  };
  std::vector<Lag> lags(SeqNo head) const;

 private:
  using Key = std::pair<Bridge, std::string>;
  struct Entry {
    std::weak_ptr<Subscription> stream;
    const Subscription* identity = nullptr;  // of `stream`; null: closed
    std::shared_ptr<const StreamMeter> meter;
    bool acknowledges = false;
    bool named = false;  // has a metric row of its own
    SeqNo acknowledged;
    std::uint64_t streams = 0;
    std::uint64_t closed_order = 0;
    MonoTime opened_at{};
    bool counts() const { return identity != nullptr && acknowledges && !meter->stalled.load(); }
  };
  ConsumerStatus status(const Key& key, const Entry& entry, SeqNo head) const;
  Entry& entry_locked(Key key) ROLLCALL_REQUIRES(mutex_);
  void forget_oldest_locked() ROLLCALL_REQUIRES(mutex_);

  const Epoch epoch_;
  const std::size_t max_closed_;
  mutable Mutex mutex_;  // guards everything below; held for look-ups only
  std::map<Key, Entry> entries_ ROLLCALL_GUARDED_BY(mutex_);
  std::size_t closed_ ROLLCALL_GUARDED_BY(mutex_) = 0;
  std::uint64_t closings_ ROLLCALL_GUARDED_BY(mutex_) = 0;
  std::size_t named_ ROLLCALL_GUARDED_BY(mutex_) = 0;
};

}  // namespace rollcall
