#include "provisioning/service/state_writer.h"

#include <algorithm>
#include <utility>

namespace rollcall {
namespace {

// Writing the cache may take this share of the time at most.
constexpr int kRestFactor = 20;
// How often the cache is written when only its time of confirmation has changed.
constexpr auto kSameTopologyEvery = std::chrono::minutes(1);
constexpr auto kRetryAfter = std::chrono::seconds(5);
constexpr auto kIdle = std::chrono::hours(1);

}  // namespace

StateWriter::StateWriter(StateFiles& files, const Clock& clock, Callbacks callbacks,
                         Duration topology_every)
    : files_(files),
      clock_(clock),
      callbacks_(std::move(callbacks)),
      topology_every_(topology_every),
      topology_due_(clock.now()),
      thread_([this] { run(); }) {}

StateWriter::~StateWriter() {
  {
    std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void StateWriter::save_blocks(std::uint64_t version, BlockTable blocks) {
  {
    std::lock_guard lock(mutex_);
    waiting_.blocks = Blocks{version, std::move(blocks)};
  }
  changed_.notify_all();
}

void StateWriter::save_holds(std::vector<ProviderId> held) {
  {
    std::lock_guard lock(mutex_);
    waiting_.holds = std::move(held);
    holds_due_ = MonoTime{};
  }
  changed_.notify_all();
}

void StateWriter::save_topology(SavedTopology topology) {
  {
    std::lock_guard lock(mutex_);
    waiting_.topology = std::move(topology);
  }
  changed_.notify_all();
}

bool StateWriter::flush(Duration at_most) {
  std::unique_lock lock(mutex_);
  ++flushing_;
  changed_.notify_all();
  const bool done = changed_.wait_for(lock, at_most, [&] { return !writing_ && !waiting_.any(); });
  --flushing_;
  return done;
}

bool StateWriter::idle() const {
  std::lock_guard lock(mutex_);
  return !writing_ && !waiting_.any();
}

MonoTime StateWriter::topology_due() const {
  const bool same = written_ && written_->provider == waiting_.topology->provider &&
                    written_->members.hash() == waiting_.topology->members.hash();
  return same ? topology_due_ + Duration(kSameTopologyEvery) : topology_due_;
}

Duration StateWriter::until_due(MonoTime now) const {
  if (waiting_.blocks || (flushing_ > 0 && waiting_.any())) return Duration::zero();
  Duration wait = kIdle;
  if (waiting_.holds) wait = std::min<Duration>(wait, holds_due_ - now);
  if (waiting_.topology) wait = std::min<Duration>(wait, topology_due() - now);
  return std::max(wait, Duration::zero());
}

StateWriter::Work StateWriter::take_due(MonoTime now) {
  Work work;
  const bool all = flushing_ > 0;
  work.blocks = std::exchange(waiting_.blocks, std::nullopt);
  if (waiting_.holds && (all || holds_due_ <= now))
    work.holds = std::exchange(waiting_.holds, std::nullopt);
  if (waiting_.topology && (all || topology_due() <= now))
    work.topology = std::exchange(waiting_.topology, std::nullopt);
  return work;
}

void StateWriter::run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    const MonoTime now = clock_.now();
    const Duration wait = until_due(now);
    if (wait > Duration::zero()) {
      changed_.wait_for(lock, wait);
      continue;
    }
    Work work = take_due(now);
    writing_ = true;
    lock.unlock();
    write(std::move(work));
    lock.lock();
    writing_ = false;
    changed_.notify_all();
  }
}

void StateWriter::write(Work work) {
  if (work.blocks) {
    const Saved saved = timed(kBlocksFile, [&] { return files_.save_blocks(work.blocks->table); });
    callbacks_.blocks_saved(work.blocks->version,
                            saved ? std::nullopt : std::optional<ProvisioningError>(saved.error()));
  }
  if (work.holds) write_holds(std::move(*work.holds));
  if (work.topology) write_topology(std::move(*work.topology));
}

Saved StateWriter::timed(std::string_view file, const std::function<Saved()>& save) {
  const MonoTime began = clock_.now();
  Saved saved = save();
  callbacks_.written(file, saved ? nullptr : &saved.error(), clock_.now() - began);
  return saved;
}

void StateWriter::write_holds(std::vector<ProviderId> held) {
  const Saved saved = timed(kHoldsFile, [&] { return files_.save_holds(held); });
  if (saved) return;
  callbacks_.failed(kHoldsFile, saved.error());
  std::lock_guard lock(mutex_);
  // While flushing, one try: the disk will not get better within a shutdown.
  if (waiting_.holds || flushing_ > 0) return;
  waiting_.holds = std::move(held);
  holds_due_ = clock_.now() + Duration(kRetryAfter);
}

void StateWriter::write_topology(SavedTopology topology) {
  const MonoTime began = clock_.now();
  const Saved saved = timed(kTopologyFile, [&] { return files_.save_topology(topology); });
  const MonoTime ended = clock_.now();
  if (!saved) callbacks_.failed(kTopologyFile, saved.error());
  std::lock_guard lock(mutex_);
  topology_due_ = ended + std::max<Duration>(topology_every_, (ended - began) * kRestFactor);
  if (saved) written_ = std::move(topology);
}

}  // namespace rollcall
