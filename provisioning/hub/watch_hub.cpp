#include "provisioning/hub/watch_hub.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace rollcall {
namespace {

// In poll(): a waker that asks for more at each call must not hold a simulator for ever.
constexpr int kMaxPollRounds = 1000;

[[noreturn]] void broken(const char* what) {
  std::fprintf(stderr, "watch hub: %s\n", what);
  std::abort();
}

}  // namespace

WatchHub::WatchHub(HubOptions options, EventEncoder& events, const SnapshotEncoder& snapshots)
    : options_(std::move(options)),
      log_({options_.first_seq, options_.log_bytes, options_.block_bytes}, events),
      snapshots_(snapshots),
      consumers_(options_.epoch, options_.max_subscribers),
      encoder_(snapshots),
      list_(std::make_shared<const List>()) {}

WatchHub::~WatchHub() = default;

void WatchHub::publish(std::span<const Event> events,
                       std::shared_ptr<const TopologySnapshot> state) {
  for (const Event& event : events) {
    if (event.epoch != options_.epoch) broken("an event of another epoch");
    log_.append(event);
  }
  EventLog::Evicted evicted;  // freed below, where no lock is held
  {
    MutexLock lock(state_mutex_);
    evicted = log_.commit();
    state_.swap(state);
    if (state_ == nullptr || state_->epoch != options_.epoch || state_->seq_no != log_.head()) {
      broken("the state after a step does not stand at the end of the log");
    }
  }
  if (!events.empty()) signal(Subscription::kWaitLog);
}

void WatchHub::close() {
  if (closing_.exchange(true)) return;
  signal(0xff);
}

std::shared_ptr<const TopologySnapshot> WatchHub::state() const {
  MutexLock lock(state_mutex_);
  return state_;
}

Result<std::shared_ptr<Subscription>> WatchHub::add(std::shared_ptr<Subscription> subscription) {
  if (closing_.load()) {
    return fail(ErrorCode::ShuttingDown, "this sidecar is shutting down");
  }
  MutexLock lock(list_mutex_);
  if (list_->size() >= options_.max_subscribers) {
    return fail(ErrorCode::LimitExceeded, "there are already " + std::to_string(list_->size()) +
                                              " subscribers, the most that are served");
  }
  auto list = std::make_shared<List>(*list_);
  list->push_back(subscription);
  list_ = std::move(list);
  return subscription;
}

Result<std::shared_ptr<Subscription>> WatchHub::subscribe(WatchRequest request,
                                                          std::shared_ptr<Waker> waker,
                                                          MonoTime now) {
  ConsumerTable::Opening opening;
  opening.bridge = request.bridge;
  opening.consumer_id = request.consumer_id;
  opening.acknowledges = request.acknowledges && request.bridge == Bridge::Placement;
  if (request.epoch == options_.epoch && log_.holds(request.after)) {
    opening.resumes_after = request.after;
  }
  std::shared_ptr<Subscription> made(new Subscription(
      *this, std::move(request), Subscription::Kind::Watch, std::move(waker), now));
  auto added = add(std::move(made));
  if (!added) return added;
  opening.stream = *added;
  opening.meter = (*added)->meter_;
  opening.now = now;
  if (const auto old = consumers_.open(std::move(opening)); old != nullptr) {
    replaced_.fetch_add(1);
    old->end({ErrorCode::OutOfOrder,
              "a newer stream of the same consumer on this bridge has replaced this one",
              {},
              0});
  }
  placement_changed();
  return added;
}

Result<std::shared_ptr<Subscription>> WatchHub::latest_snapshot(
    std::optional<MonoTime> placement_deadline, std::shared_ptr<Waker> waker, MonoTime now) {
  const auto latest = state();
  if (latest == nullptr || !latest->has_topology) {
    return fail(ErrorCode::NoSnapshot, "no provider has answered yet: there is no topology");
  }
  const bool waits = placement_deadline.has_value();
  if (waits && placement_waits_.fetch_add(1) >= options_.max_placement_waits) {
    placement_waits_.fetch_sub(1);
    return fail(ErrorCode::LimitExceeded,
                "too many calls are already waiting for placement's acknowledgement");
  }
  const auto kind =
      waits ? Subscription::Kind::OneSnapshotAfterPlacement : Subscription::Kind::OneSnapshot;
  std::shared_ptr<Subscription> made(new Subscription(*this, {}, kind, std::move(waker), now));
  made->snapshot_min_ = latest->seq_no;
  made->deadline_ = placement_deadline.value_or(MonoTime{});
  auto added = add(std::move(made));
  if (!added && waits) placement_waits_.fetch_sub(1);
  return added;
}

void WatchHub::remove(Subscription& subscription) {
  std::shared_ptr<const List> old;  // its last reference goes where no lock is held
  {
    MutexLock lock(list_mutex_);
    const auto found = std::find_if(list_->begin(), list_->end(), [&](const auto& other) {
      return other.get() == &subscription;
    });
    if (found == list_->end()) return;
    auto list = std::make_shared<List>();
    list->reserve(list_->size());
    list->insert(list->end(), list_->begin(), found);
    list->insert(list->end(), found + 1, list_->end());
    old = std::exchange(list_, std::move(list));
  }
  if (subscription.kind_ == Subscription::Kind::OneSnapshotAfterPlacement) {
    placement_waits_.fetch_sub(1);
  }
  if (subscription.kind_ != Subscription::Kind::Watch) return;
  consumers_.close(subscription.bridge(), subscription.consumer_id(), &subscription);
  placement_changed();
}

Result<void> WatchHub::acknowledge(const std::string& consumer_id, Epoch epoch, SeqNo seq) {
  auto result = consumers_.acknowledge(consumer_id, epoch, seq, head());
  if (result) {
    traffic_.acknowledged(Bridge::Placement);
    placement_changed();
  }
  return result;
}

std::shared_ptr<const WatchHub::List> WatchHub::subscriptions() const {
  MutexLock lock(list_mutex_);
  return list_;
}

HubStats WatchHub::stats() const {
  HubStats stats;
  stats.log = log_.stats();
  stats.snapshots = snapshots_.stats();
  stats.subscribers = subscriptions()->size();
  stats.resyncs = resyncs_.load();
  stats.replaced_streams = replaced_.load();
  stats.stalled_streams = stalled_.load();
  stats.traffic = traffic_.read();
  return stats;
}

// --- waking ---

void WatchHub::signal(std::uint8_t what) {
  MutexLock lock(wake_mutex_);
  const bool asleep = signals_ == 0;
  signals_ = static_cast<std::uint8_t>(signals_ | what);
  if (asleep) fan_out_wanted_.notify_one();
}

void WatchHub::placement_changed() {
  if (placement_waits_.load() != 0) signal(Subscription::kWaitPlacement);
}

void WatchHub::want_snapshot(SeqNo min) {
  snapshots_.want(min);
  MutexLock lock(wake_mutex_);
  encode_ = true;
  encoding_wanted_.notify_one();
}

void WatchHub::fan_out() {
  std::uint8_t what = 0;
  {
    MutexLock lock(wake_mutex_);
    what = std::exchange(signals_, std::uint8_t{0});
  }
  if (what == 0) return;
  const auto list = subscriptions();
  for (const auto& subscription : *list) {
    if (subscription->take_wake(what)) subscription->waker_->wake();
  }
}

void WatchHub::tick(MonoTime now) {
  const std::int64_t at = now.time_since_epoch().count();
  const auto list = subscriptions();
  for (const auto& subscription : *list) {
    StreamMeter& meter = *subscription->meter_;
    const std::int64_t since = meter.writing_since.load();
    if (since != StreamMeter::kNotWriting && at - since >= options_.write_stall.count()) {
      if (meter.stalled.exchange(true)) continue;
      stalled_.fetch_add(1);
      const ProvisioningError error{ErrorCode::LimitExceeded,
                                    "the consumer took nothing for " +
                                        std::to_string(to_ms(options_.write_stall) / 1000) +
                                        " s; subscribe again to be brought up to date",
                                    {},
                                    0};
      subscription->end(error);
      subscription->waker_->abandon(error);
      placement_changed();
      continue;
    }
    if (at >= subscription->due_.load() && subscription->take_wake(Subscription::kWaitTime)) {
      subscription->waker_->wake();
    }
  }
}

bool WatchHub::encode_pending() {
  {
    MutexLock lock(wake_mutex_);
    encode_ = false;
  }
  const auto latest = state();
  if (latest == nullptr || !latest->has_topology) return false;
  if (!snapshots_.encode_pending(latest)) return false;
  signal(Subscription::kWaitSnapshot);
  return true;
}

void WatchHub::poll(MonoTime now) {
  tick(now);
  for (int round = 0; round < kMaxPollRounds; ++round) {
    fan_out();
    const bool encoded = encode_pending();
    MutexLock lock(wake_mutex_);
    if (!encoded && signals_ == 0) return;
  }
}

void WatchHub::wait_for_fan_out(Duration for_at_most) {
  MutexLock lock(wake_mutex_);
  if (signals_ == 0 && !stop_) lock.wait(fan_out_wanted_, for_at_most);
}

void WatchHub::wait_for_encoding(Duration for_at_most) {
  MutexLock lock(wake_mutex_);
  if (!encode_ && !stop_) lock.wait(encoding_wanted_, for_at_most);
}

void WatchHub::rest(Duration for_at_most) {
  MutexLock lock(wake_mutex_);
  if (!stop_) lock.wait(rest_over_, for_at_most);
}

void WatchHub::stop_waiting() {
  MutexLock lock(wake_mutex_);
  stop_ = true;
  fan_out_wanted_.notify_all();
  encoding_wanted_.notify_all();
  rest_over_.notify_all();
}

}  // namespace rollcall
