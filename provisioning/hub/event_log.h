// EventLog: the one bounded, immutable log of encoded events (SPEC 5).
//
// Made of blocks: an arena of encoded frames, end to end, and an index of where each ends. A frame
// is encoded straight into the arena and published by one atomic store, so that any run of
// consecutive frames is one contiguous range of bytes: readers send it as it is, without copying or
// encoding. A frame larger than a block gets a block of its own.
//
// A reader is a Cursor, a place and a weak reference: it keeps nothing alive. Old blocks are
// evicted whole when the log exceeds its size; a cursor that falls off is told so. Only the Slice
// in a reader's hand (the batch being written) keeps its block's memory until it is dropped.
//
// Threads: one writer (append, commit); any number of readers. Within a block a reader takes no
// lock (a weak_ptr and two atomic loads); from one block to the next it takes the mutex of the list
// for the length of a search among at most a few hundred blocks.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "core/event.h"
#include "core/ids.h"
#include "core/limits.h"
#include "provisioning/hub/encoders.h"
#include "provisioning/hub/mutex.h"

namespace rollcall {

// A range of immutable bytes and what keeps them alive.
struct Slice {
  std::shared_ptr<const void> owner;
  const std::uint8_t* data = nullptr;
  std::size_t size = 0;
};

class EventLog {
 public:
  struct Options {
    SeqNo first;  // of the first event; the log aborts if events do not follow one another
    std::size_t max_bytes = limits::kLogBytes;
    std::size_t block_bytes = limits::kLogBlockBytes;
  };
  class Block;

  // Where a reader stands: `after` is the newest event it has. The rest speeds up finding what
  // follows, and may be stale. One thread at a time.
  struct Cursor {
    SeqNo after;
    bool at_reset = false;  // `after` is a reset whose snapshot is still due
    std::weak_ptr<const Block> block;
    std::uint32_t frame = 0;
  };
  // How a reader came to `after`: with a snapshot it has what a reset at that place calls for.
  enum class From : std::uint8_t { Event, Snapshot };

  enum class Read : std::uint8_t {
    Data,     // `slice` holds frames; the cursor stands after them
    AtHead,   // nothing newer
    Reset,    // the event at the cursor was a `reset`: a snapshot is due before what follows
    Evicted,  // what follows has been evicted, or was never here
  };
  struct ReadResult {
    Read status = Read::AtHead;
    Slice slice;
  };

  EventLog(Options options, EventEncoder& encoder);
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // Writer. Encodes the event; readers see it from the next commit() on.
  void append(const Event& event);
  // Writer. Shows everything appended, all blocks in one go, and takes out what is then too much.
  // What it returns is to be dropped where no lock is held.
  using Evicted = std::vector<std::shared_ptr<Block>>;
  [[nodiscard]] Evicted commit();

  // Any thread. At most `max_bytes`, cut between frames; a single larger frame comes whole.
  ReadResult read(Cursor& cursor, std::size_t max_bytes) const;
  // A cursor that continues after `after`; none if what follows it is not in the log any more, or
  // `after` is ahead of it.
  std::optional<Cursor> cursor_after(SeqNo after, From from) const;
  bool holds(SeqNo after) const;

  SeqNo head() const { return SeqNo(head_.load(std::memory_order_acquire)); }
  // The newest `reset`; a snapshot older than this is of no use. 0: none.
  SeqNo last_reset() const { return SeqNo(last_reset_.load(std::memory_order_acquire)); }
  // A snapshot of this seq_no or newer has all its successors in the newer half of the log, so that
  // a subscriber has time to receive it before they are evicted.
  SeqNo reuse_floor() const { return SeqNo(reuse_floor_.load(std::memory_order_acquire)); }

  struct Stats {
    std::size_t bytes = 0;  // memory of all blocks
    std::size_t blocks = 0;
    std::uint64_t evicted_blocks = 0;
    std::uint64_t events = 0;
    std::uint64_t frame_bytes = 0;  // of all events ever appended
  };
  Stats stats() const;

 private:
  class Space;

  void new_block(std::size_t at_least);
  void publish_locked() ROLLCALL_REQUIRES(mutex_);
  Evicted evict_locked() ROLLCALL_REQUIRES(mutex_);
  void update_floor_locked() ROLLCALL_REQUIRES(mutex_);

  const Options options_;
  EventEncoder& encoder_;

  // Writer only.
  std::shared_ptr<Block> tail_;
  std::vector<std::shared_ptr<Block>> unlinked_;  // blocks of a step that is not committed yet
  bool seal_tail_ = false;                        // a reset ends its block
  SeqNo next_;
  SeqNo pending_reset_;
  std::uint64_t frame_bytes_ = 0;

  std::atomic<std::uint64_t> head_;
  std::atomic<std::uint64_t> last_reset_{0};
  std::atomic<std::uint64_t> reuse_floor_;

  mutable Mutex mutex_;  // guards the list of blocks, not what is in them
  std::deque<std::shared_ptr<Block>> blocks_ ROLLCALL_GUARDED_BY(mutex_);
  Stats stats_ ROLLCALL_GUARDED_BY(mutex_);
};

}  // namespace rollcall
