#include "provisioning/hub/subscription.h"

#include <algorithm>
#include <utility>

#include "provisioning/hub/watch_hub.h"

namespace rollcall {
namespace {

constexpr SeqNo kNoLimit{~std::uint64_t{0}};

Slice slice_of(std::shared_ptr<const std::string> bytes) {
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes->data());
  const std::size_t size = bytes->size();
  return Slice{std::move(bytes), data, size};
}

Slice slice_of(std::string bytes) {
  return slice_of(std::make_shared<const std::string>(std::move(bytes)));
}

}  // namespace

Subscription::Subscription(WatchHub& hub, WatchRequest request, Kind kind,
                           std::shared_ptr<Waker> waker, MonoTime now)
    : hub_(hub),
      request_(std::move(request)),
      kind_(kind),
      waker_(std::move(waker)),
      last_sent_(now) {}

Subscription::~Subscription() = default;

// Nothing is lost between looking and sleeping: the wish to be woken is made known first (arm),
// then everything is looked at once more. take_wake() is a read-modify-write of the same atomic
// even when it takes nothing, so either it sees the wish, or what was published before it is seen
// here.
Subscription::Next Subscription::next(std::size_t max_bytes, MonoTime now) {
  Next out;
  bool armed = false;
  std::uint8_t armed_for = 0;
  for (;;) {
    const Step step = handle(out, max_bytes, now);
    if (step == Step::Again) continue;
    if (step == Step::Done) {
      if (armed) waiting_.exchange(0);  // a wake-up that was taken already comes for nothing
      return out;
    }
    if (armed && armed_for == wait_for_) return out;  // Idle
    arm();
    armed = true;
    armed_for = wait_for_;
  }
}

void Subscription::arm() {
  due_.store((wait_for_ & kWaitTime) != 0 ? wait_until_.time_since_epoch().count()
                                          : MonoTime::max().time_since_epoch().count());
  waiting_.exchange(static_cast<std::uint8_t>(wait_for_ | kWaitEnd));
}

bool Subscription::take_wake(std::uint8_t what) {
  std::uint8_t seen = waiting_.load();
  for (;;) {
    const bool takes = (seen & what) != 0;
    if (waiting_.compare_exchange_weak(seen, takes ? std::uint8_t{0} : seen)) return takes;
  }
}

Subscription::Step Subscription::handle(Next& out, std::size_t max_bytes, MonoTime now) {
  // A stalled stream is told to end, and then loses its transport: the reason stays the first one.
  if (closed_.load() || ending_.load()) return finish(out, end_reason());
  switch (state_) {
    case State::Resuming:
      return resume();
    case State::AwaitSnapshot:
      return await_snapshot(out, now);
    case State::SendChunks:
      return send_chunk(out, now);
    case State::SendLast:
      return send_last_chunk(out, now);
    case State::Following:
      return follow(out, max_bytes, now);
    case State::Ended:
      return finish(out, final_error_);
  }
  return finish(out, std::nullopt);
}

Subscription::Step Subscription::resume() {
  state_ = State::AwaitSnapshot;
  if (kind_ != Kind::Watch) return Step::Again;
  if (request_.after.value() == 0 || request_.epoch != hub_.options_.epoch) return Step::Again;
  auto cursor = hub_.log_.cursor_after(request_.after, EventLog::From::Event);
  if (!cursor) return Step::Again;
  cursor_ = std::move(*cursor);
  meter_->position.store(request_.after.value());
  bookmark_due_ = true;
  state_ = State::Following;
  return Step::Again;
}

Subscription::Step Subscription::await_snapshot(Next& out, MonoTime now) {
  if (kind_ == Kind::OneSnapshotAfterPlacement) return await_placement(out, now);
  const auto latest = hub_.state();
  if (latest == nullptr || !latest->has_topology) {
    return finish(out, ProvisioningError{ErrorCode::NoSnapshot,
                                         "no provider has answered yet: there is no topology; "
                                         "keep what you hold and subscribe again",
                                         {},
                                         0});
  }
  SeqNo min = snapshot_min_;
  if (kind_ == Kind::Watch) {
    // A version is preferred whose successors will still be there when it has been received. What
    // was encoded on our own request is taken as long as they are there at all, so that a log that
    // turns over faster than a snapshot is encoded doesn't keep us waiting.
    const SeqNo reset = hub_.log_.last_reset();
    auto version = hub_.snapshots_.find(std::max(reset, hub_.log_.reuse_floor()), kNoLimit);
    if (version == nullptr && asked_) {
      version = hub_.snapshots_.find(reset, kNoLimit);
      if (version != nullptr && !hub_.log_.holds(version->state->seq_no)) version = nullptr;
    }
    if (version != nullptr) {
      take(std::move(version));
      return Step::Again;
    }
    min = std::max(reset, hub_.log_.reuse_floor());
  } else if (auto version = hub_.snapshots_.find(min, kNoLimit); version != nullptr) {
    take(std::move(version));
    return Step::Again;
  }
  asked_ = true;
  hub_.want_snapshot(min);
  return wait(kWaitSnapshot, std::nullopt);
}

Subscription::Step Subscription::await_placement(Next& out, MonoTime now) {
  const auto floor = hub_.consumers_.placement_floor();
  if (floor) {
    auto version = hub_.snapshots_.find(snapshot_min_, *floor);
    if (version == nullptr && awaited_ != nullptr && awaited_->state->seq_no <= *floor) {
      version = awaited_;
    }
    if (version != nullptr) {
      take(std::move(version));
      return Step::Again;
    }
  }
  if (awaited_ == nullptr) awaited_ = hub_.snapshots_.keep(snapshot_min_);
  if (now >= deadline_) {
    return finish(out, ProvisioningError{ErrorCode::Timeout,
                                         "placement has not acknowledged " +
                                             std::to_string(snapshot_min_.value()) + "; " +
                                             hub_.consumers_.missing(snapshot_min_),
                                         {},
                                         0});
  }
  if (hub_.closing_.load()) {
    return finish(
        out, ProvisioningError{ErrorCode::ShuttingDown, "this sidecar is shutting down", {}, 0});
  }
  if (hub_.snapshots_.find(snapshot_min_, kNoLimit) == nullptr) hub_.want_snapshot(snapshot_min_);
  return wait(kWaitSnapshot | kWaitPlacement | kWaitTime, deadline_);
}

void Subscription::take(std::shared_ptr<const EncodedSnapshot> version) {
  if (version != awaited_) awaited_.reset();
  version_ = version;
  chunk_ = 0;
  asked_ = false;
  state_ = State::SendChunks;
}

Subscription::Step Subscription::send_chunk(Next& out, MonoTime now) {
  const auto version = version_.lock();
  if (version == nullptr)
    return resync();  // a newer one begins with a chunk 0, which discards this
  if (chunk_ == version->chunks.size()) {
    state_ = State::SendLast;
    return Step::Again;
  }
  out.slices[0] = slice_of(version->chunks[chunk_++]);
  out.slice_count = 1;
  return sent(out, now);
}

Subscription::Step Subscription::send_last_chunk(Next& out, MonoTime now) {
  const auto version = version_.lock();
  if (version == nullptr) return resync();
  // Where nothing but the time of confirmation changed since, the newest state says it best.
  const auto latest = hub_.state();
  const TopologySnapshot& state =
      latest->seq_no == version->state->seq_no ? *latest : *version->state;
  const Duration age = std::max<Duration>(Duration::zero(), now - latest->confirmed_at);
  out.slices[0] =
      slice_of(hub_.encoder_.encode_last_chunk(state, static_cast<std::uint32_t>(chunk_), age));
  out.slice_count = 1;
  cursor_.after = version->state->seq_no;
  after_snapshot();
  return sent(out, now);
}

// The last part of a snapshot at cursor_.after is on its way.
void Subscription::after_snapshot() {
  version_.reset();
  awaited_.reset();
  hub_.traffic_.snapshot(counted_as());
  meter_->position.store(cursor_.after.value());
  if (kind_ != Kind::Watch) {
    state_ = State::Ended;
    return;
  }
  // If what follows has been evicted in the meantime, the next read says so.
  cursor_ = hub_.log_.cursor_after(cursor_.after, EventLog::From::Snapshot)
                .value_or(EventLog::Cursor{cursor_.after, false, {}, 0});
  bookmark_due_ = true;
  state_ = State::Following;
}

Subscription::Step Subscription::resync() {
  version_.reset();
  hub_.resyncs_.fetch_add(1);
  state_ = State::AwaitSnapshot;
  return Step::Again;
}

Subscription::Step Subscription::follow(Next& out, std::size_t max_bytes, MonoTime now) {
  const bool closing = hub_.closing_.load();  // before reading: all that came before is there
  const std::uint64_t before = cursor_.after.value();
  auto read = hub_.log_.read(cursor_, max_bytes);
  switch (read.status) {
    case EventLog::Read::Reset:
    case EventLog::Read::Evicted:
      return resync();
    case EventLog::Read::Data:
      out.slices[0] = std::move(read.slice);
      out.slice_count = 1;
      meter_->position.store(cursor_.after.value());
      if (bookmark_due_ && !cursor_.at_reset && bookmark(out.slices[1])) out.slice_count = 2;
      return sent(out, now, cursor_.after.value() - before);
    case EventLog::Read::AtHead:
      break;
  }
  const MonoTime due = last_sent_ + hub_.options_.bookmark_every;
  const bool published = cursor_.after >= hub_.options_.first_seq;  // else nothing to prove yet
  if (published && (bookmark_due_ || now >= due)) {
    // While a step is being shown the log is ahead of the state for a moment; asking for the state
    // waits for that, and then there is more to read.
    if (!bookmark(out.slices[0])) return Step::Again;
    out.slice_count = 1;
    return sent(out, now);
  }
  if (closing) {
    return finish(out, ProvisioningError{
                           ErrorCode::ShuttingDown, "this sidecar has shut down in order", {}, 0});
  }
  return wait(kWaitLog | kWaitTime, due);
}

// False if the cursor does not stand at the newest event.
bool Subscription::bookmark(Slice& out) {
  const auto latest = hub_.state();
  if (latest == nullptr || latest->seq_no != cursor_.after) return false;
  out = slice_of(hub_.encoder_.encode_bookmark(*latest));
  bookmark_due_ = false;
  return true;
}

Subscription::Step Subscription::sent(Next& out, MonoTime now, std::uint64_t events) {
  hub_.traffic_.batch(counted_as(), events, out.bytes());
  out.outcome = Outcome::Batch;
  last_sent_ = now;
  meter_->writing_since.store(now.time_since_epoch().count());
  return Step::Done;
}

Subscription::Step Subscription::wait(std::uint8_t what, std::optional<MonoTime> due) {
  wait_for_ = what;
  wait_until_ = due.value_or(MonoTime::max());
  return Step::Wait;
}

Subscription::Step Subscription::finish(Next& out, std::optional<ProvisioningError> error) {
  if (kind_ == Kind::Watch && state_ != State::Ended) {
    hub_.traffic_.ended(request_.bridge, error ? std::optional(error->code) : std::nullopt);
  }
  state_ = State::Ended;
  final_error_ = error;  // who asks again gets the same answer
  out.outcome = Outcome::Ended;
  out.error = std::move(error);
  return Step::Done;
}

void Subscription::written() { meter_->writing_since.store(StreamMeter::kNotWriting); }

void Subscription::close() {
  if (closed_.exchange(true)) return;
  hub_.remove(*this);
}

void Subscription::end(ProvisioningError error) {
  {
    MutexLock lock(end_mutex_);
    if (end_error_) return;
    end_error_ = std::move(error);
  }
  ending_.store(true);
  if (take_wake(kWaitEnd)) waker_->wake();
}

std::optional<ProvisioningError> Subscription::end_reason() const {
  MutexLock lock(end_mutex_);
  return end_error_;
}

}  // namespace rollcall
