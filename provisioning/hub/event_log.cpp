#include "provisioning/hub/event_log.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <variant>

namespace rollcall {
namespace {

// The smallest frame is some 20 bytes; small events share a block of 256 KiB about 8,000 at a time.
constexpr std::size_t kBytesPerIndexEntry = 32;

[[noreturn]] void broken(const char* what, std::uint64_t expected, std::uint64_t found) {
  std::fprintf(stderr, "event log: %s: expected %llu, found %llu\n", what,
               static_cast<unsigned long long>(expected), static_cast<unsigned long long>(found));
  std::abort();
}

}  // namespace

class EventLog::Block {
 public:
  Block(SeqNo first_seq, std::size_t arena_bytes, std::uint32_t max_frames)
      : first(first_seq),
        capacity(arena_bytes),
        frames(max_frames),
        arena(new std::uint8_t[arena_bytes]),
        ends(new std::uint32_t[max_frames]) {}

  std::size_t memory() const { return sizeof(Block) + capacity + frames * sizeof(std::uint32_t); }
  std::uint32_t begin_of(std::uint32_t frame) const { return frame == 0 ? 0 : ends[frame - 1]; }

  const SeqNo first;
  const std::size_t capacity;
  const std::uint32_t frames;  // room for so many
  const std::unique_ptr<std::uint8_t[]> arena;
  const std::unique_ptr<std::uint32_t[]> ends;  // where each frame ends

  // Writer only.
  std::uint32_t written = 0;
  std::size_t used = 0;

  // Readers look at arena and ends below `published` only; nothing there changes any more.
  std::atomic<std::uint32_t> published{0};
  std::atomic<std::uint32_t> reset_at{0};  // the last frame is a reset: its number + 1
  std::atomic<bool> sealed{false};         // another block follows
};

// Reserves room for one frame in the tail, or in a new block if it does not fit.
class EventLog::Space final : public FrameSpace {
 public:
  explicit Space(EventLog& log) : log_(log) {}
  std::uint8_t* reserve(std::size_t size) override {
    if (called_) broken("an encoder reserved twice", 1, 2);
    called_ = true;
    Block* block = log_.tail_.get();
    if (block == nullptr || log_.seal_tail_ || block->capacity - block->used < size ||
        block->written == block->frames) {
      log_.new_block(size);
      block = log_.tail_.get();
    }
    std::uint8_t* at = block->arena.get() + block->used;
    block->used += size;
    block->ends[block->written++] = static_cast<std::uint32_t>(block->used);
    log_.frame_bytes_ += size;
    return at;
  }
  bool called() const { return called_; }

 private:
  EventLog& log_;
  bool called_ = false;
};

EventLog::EventLog(Options options, EventEncoder& encoder)
    : options_(options),
      encoder_(encoder),
      next_(options.first),
      head_(options.first.value() - 1),
      reuse_floor_(options.first.value() - 1) {}

EventLog::~EventLog() = default;

void EventLog::new_block(std::size_t at_least) {
  const bool own = at_least > options_.block_bytes;
  const std::size_t capacity = own ? at_least : options_.block_bytes;
  const std::size_t frames = own ? 1 : std::max<std::size_t>(16, capacity / kBytesPerIndexEntry);
  unlinked_.push_back(std::make_shared<Block>(next_, capacity, static_cast<std::uint32_t>(frames)));
  tail_ = unlinked_.back();
  seal_tail_ = false;
}

void EventLog::append(const Event& event) {
  if (event.seq_no != next_) {
    broken("events do not follow one another", next_.value(), event.seq_no.value());
  }
  Space space(*this);
  encoder_.encode(event, space);
  if (!space.called()) broken("an encoder wrote nothing", 1, 0);
  next_ = next_.next();
  if (std::holds_alternative<event::Reset>(event.body)) {
    tail_->reset_at.store(tail_->written, std::memory_order_relaxed);  // shown by `published`
    seal_tail_ = true;
    pending_reset_ = event.seq_no;
  }
}

void EventLog::publish_locked() {
  const auto show = [](Block& block) {
    block.published.store(block.written, std::memory_order_release);
  };
  if (!blocks_.empty()) show(*blocks_.back());
  for (auto& block : unlinked_) {
    show(*block);
    // Readers that find the old tail exhausted look for the next block under the mutex, which is
    // held here until that one is in the list.
    if (!blocks_.empty()) blocks_.back()->sealed.store(true, std::memory_order_release);
    stats_.bytes += block->memory();
    blocks_.push_back(std::move(block));
  }
  unlinked_.clear();
}

EventLog::Evicted EventLog::evict_locked() {
  Evicted evicted;
  while (stats_.bytes > options_.max_bytes && blocks_.size() > 1) {
    stats_.bytes -= blocks_.front()->memory();
    ++stats_.evicted_blocks;
    evicted.push_back(std::move(blocks_.front()));
    blocks_.pop_front();
  }
  return evicted;
}

void EventLog::update_floor_locked() {
  std::size_t bytes = 0;
  SeqNo first = next_;
  for (auto block = blocks_.rbegin(); block != blocks_.rend(); ++block) {
    bytes += (*block)->memory();
    if (bytes > options_.max_bytes / 2 && first != next_) break;
    first = (*block)->first;
  }
  reuse_floor_.store(first.value() - 1, std::memory_order_release);
}

EventLog::Evicted EventLog::commit() {
  Evicted evicted;
  {
    MutexLock lock(mutex_);
    // Before the frames: whoever has read one finds a head (to acknowledge it) and a reset (to ask
    // for a snapshot beyond it) that include it.
    if (pending_reset_.value() != 0) {
      last_reset_.store(pending_reset_.value(), std::memory_order_release);
      pending_reset_ = SeqNo();
    }
    head_.store(next_.value() - 1, std::memory_order_release);
    const bool grew = !unlinked_.empty();
    publish_locked();
    if (grew) {
      evicted = evict_locked();
      update_floor_locked();
    }
    stats_.events = next_.value() - options_.first.value();
    stats_.frame_bytes = frame_bytes_;
  }
  return evicted;
}

std::optional<EventLog::Cursor> EventLog::cursor_after(SeqNo after, From from) const {
  MutexLock lock(mutex_);  // the head too: it moves together with the list
  if (after > head() || after.next() < options_.first) return std::nullopt;
  if (blocks_.empty()) return Cursor{after, false, {}, 0};
  if (after.next() < blocks_.front()->first) return std::nullopt;
  // The last block that begins at or before the event *at* `after`, so that a reset there is seen.
  auto block = std::upper_bound(blocks_.begin(), blocks_.end(), after,
                                [](SeqNo seq, const auto& b) { return seq < b->first; });
  if (block != blocks_.begin()) --block;
  const auto frame = static_cast<std::uint32_t>(after.value() + 1 - (*block)->first.value());
  // A reset ends its block: if that one is evicted and nothing else, what follows is still here.
  const bool at_reset = after == last_reset() ||
                        (frame != 0 && (*block)->reset_at.load(std::memory_order_relaxed) == frame);
  return Cursor{after, from == From::Event && at_reset, *block, frame};
}

bool EventLog::holds(SeqNo after) const { return cursor_after(after, From::Snapshot).has_value(); }

EventLog::ReadResult EventLog::read(Cursor& cursor, std::size_t max_bytes) const {
  if (cursor.at_reset) return {Read::Reset, {}};
  std::shared_ptr<const Block> block = cursor.block.lock();
  for (;;) {
    if (block == nullptr) {
      auto found = cursor_after(cursor.after, From::Snapshot);
      if (!found) return {Read::Evicted, {}};
      cursor = *found;
      block = cursor.block.lock();
      if (block == nullptr) {
        // Empty log; or the block was evicted between the two lines.
        if (cursor.after >= head()) return {Read::AtHead, {}};
        continue;
      }
    }
    std::uint32_t count = block->published.load(std::memory_order_acquire);
    if (cursor.frame == count) {
      if (!block->sealed.load(std::memory_order_acquire)) return {Read::AtHead, {}};
      count = block->published.load(std::memory_order_acquire);  // final now
    }
    if (cursor.frame < count) {
      const std::uint32_t from = block->begin_of(cursor.frame);
      const std::uint32_t limit = static_cast<std::uint32_t>(
          std::min<std::size_t>(from + max_bytes, block->ends[count - 1]));
      const std::uint32_t* first = block->ends.get() + cursor.frame;
      const std::uint32_t* last = block->ends.get() + count;
      // The frames that end within the limit; at least one.
      auto taken = static_cast<std::uint32_t>(std::upper_bound(first, last, limit) - first);
      taken = std::max<std::uint32_t>(taken, 1);
      cursor.frame += taken;
      cursor.after = SeqNo(cursor.after.value() + taken);
      cursor.at_reset = block->reset_at.load(std::memory_order_relaxed) == cursor.frame;
      const std::uint8_t* data = block->arena.get() + from;
      const std::size_t size = block->ends[cursor.frame - 1] - from;
      return {Read::Data, Slice{std::move(block), data, size}};
    }
    // Exhausted, and another block follows.
    block = nullptr;
    auto found = cursor_after(cursor.after.next(), From::Snapshot);
    if (!found) return {Read::Evicted, {}};
    const auto next = found->block.lock();
    // The event asked for may itself be gone, and the cursor's own block be kept by a slice.
    if (next == nullptr || next->first > cursor.after.next()) return {Read::Evicted, {}};
    cursor.block = next;
    cursor.frame = static_cast<std::uint32_t>(cursor.after.value() + 1 - next->first.value());
    block = next;
  }
}

EventLog::Stats EventLog::stats() const {
  MutexLock lock(mutex_);
  Stats stats = stats_;
  stats.blocks = blocks_.size();
  return stats;
}

}  // namespace rollcall
