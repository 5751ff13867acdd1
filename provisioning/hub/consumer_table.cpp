#include "provisioning/hub/consumer_table.h"

#include <algorithm>
#include <tuple>

#include "provisioning/hub/subscription.h"

namespace rollcall {
namespace {

constexpr std::size_t kNamesInAMessage = 8;

// A stream that has got nothing yet lags behind by all events of the epoch.
std::uint64_t events_between(SeqNo position, SeqNo head) {
  const std::uint64_t before_first = head.value() >> kSeqBootShift << kSeqBootShift;
  const std::uint64_t from = std::max(position.value(), before_first);
  return head.value() > from ? head.value() - from : 0;
}

}  // namespace

std::string_view to_string(Bridge bridge) {
  switch (bridge) {
    case Bridge::Placement:
      return "placement";
    case Bridge::Partition:
      return "partition";
    case Bridge::Remoting:
      return "remoting";
  }
  return "unknown";
}

ConsumerTable::Entry& ConsumerTable::entry_locked(Key key) {
  const auto [it, inserted] = entries_.try_emplace(std::move(key));
  if (inserted) {
    ++closed_;
    it->second.closed_order = ++closings_;
    if (named_ < limits::kMetricConsumers) {
      it->second.named = true;
      ++named_;
    }
  }
  return it->second;
}

void ConsumerTable::forget_oldest_locked() {
  auto oldest = entries_.end();
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (it->second.identity != nullptr) continue;
    if (oldest == entries_.end() || it->second.closed_order < oldest->second.closed_order) {
      oldest = it;
    }
  }
  if (oldest == entries_.end()) return;
  if (oldest->second.named) --named_;
  entries_.erase(oldest);
  --closed_;
}

std::shared_ptr<Subscription> ConsumerTable::open(Opening opening) {
  MutexLock lock(mutex_);
  Entry& entry = entry_locked({opening.bridge, opening.consumer_id});
  std::shared_ptr<Subscription> replaced = entry.stream.lock();
  if (entry.identity == nullptr) {
    --closed_;
    replaced = nullptr;
  }
  entry.stream = opening.stream;
  entry.identity = opening.stream.get();
  entry.meter = std::move(opening.meter);
  entry.acknowledges = opening.acknowledges;
  // What a consumer acknowledged in another life, or beyond the place at which it resumes, it has
  // to acknowledge again.
  entry.acknowledged = std::min(entry.acknowledged, opening.resumes_after);
  entry.opened_at = opening.now;
  ++entry.streams;
  return replaced;
}

void ConsumerTable::close(Bridge bridge, const std::string& consumer_id,
                          const Subscription* stream) {
  MutexLock lock(mutex_);
  const auto it = entries_.find({bridge, consumer_id});
  if (it == entries_.end() || it->second.identity != stream) return;
  it->second.identity = nullptr;
  it->second.stream.reset();
  it->second.closed_order = ++closings_;
  if (++closed_ > max_closed_) forget_oldest_locked();
}

Result<void> ConsumerTable::acknowledge(const std::string& consumer_id, Epoch epoch, SeqNo seq,
                                        SeqNo head) {
  if (epoch != epoch_) {
    return fail(ErrorCode::OutOfOrder,
                "the acknowledgement is of another epoch; subscribe again and acknowledge what "
                "that stream delivers");
  }
  if (seq > head) {
    return fail(ErrorCode::OutOfOrder, "the acknowledgement of " + std::to_string(seq.value()) +
                                           " is ahead of the newest event, " +
                                           std::to_string(head.value()));
  }
  MutexLock lock(mutex_);
  Entry& entry = entry_locked({Bridge::Placement, consumer_id});
  entry.acknowledged = std::max(entry.acknowledged, seq);
  if (closed_ > max_closed_) forget_oldest_locked();
  return {};
}

std::optional<SeqNo> ConsumerTable::placement_floor() const {
  MutexLock lock(mutex_);
  std::optional<SeqNo> floor;
  // Placement sorts first.
  for (const auto& [key, entry] : entries_) {
    if (key.first != Bridge::Placement) break;
    if (entry.counts()) floor = std::min(floor.value_or(entry.acknowledged), entry.acknowledged);
  }
  return floor;
}

std::string ConsumerTable::missing(SeqNo seq) const {
  std::string names;
  std::size_t counting = 0;
  std::size_t found = 0;
  MutexLock lock(mutex_);
  for (const auto& [key, entry] : entries_) {
    if (key.first != Bridge::Placement) break;
    if (!entry.counts()) continue;
    ++counting;
    if (entry.acknowledged >= seq) continue;
    if (++found > kNamesInAMessage) continue;
    if (!names.empty()) names += ", ";
    names += key.second;
  }
  if (counting == 0) return "there is no open placement stream that acknowledges";
  if (found > kNamesInAMessage) {
    names += " and " + std::to_string(found - kNamesInAMessage) + " more";
  }
  return "missing: " + names;
}

ConsumerStatus ConsumerTable::status(const Key& key, const Entry& entry, SeqNo head) const {
  ConsumerStatus status;
  status.bridge = key.first;
  status.consumer_id = key.second;
  status.open = entry.identity != nullptr;
  status.acknowledges = entry.acknowledges;
  status.acknowledged = entry.acknowledged;
  status.streams = entry.streams;
  status.opened_at = entry.opened_at;
  if (entry.meter != nullptr) {
    status.position = SeqNo(entry.meter->position.load(std::memory_order_relaxed));
    status.stalled = status.open && entry.meter->stalled.load();
  }
  if (status.open) status.lag = events_between(status.position, head);
  return status;
}

std::vector<ConsumerStatus> ConsumerTable::list(SeqNo head) const {
  std::vector<ConsumerStatus> all;
  {
    MutexLock lock(mutex_);
    all.reserve(entries_.size());
    for (const auto& [key, entry] : entries_) all.push_back(status(key, entry, head));
  }
  std::stable_partition(all.begin(), all.end(), [](const auto& c) { return c.open; });
  return all;
}

std::vector<ConsumerTable::Lag> ConsumerTable::lags(SeqNo head) const {
  std::vector<Lag> rows;
  std::optional<Lag> other;
  MutexLock lock(mutex_);
  for (const auto& [key, entry] : entries_) {
    if (entry.identity == nullptr) continue;
    const std::uint64_t lag = status(key, entry, head).lag;
    if (entry.named) {
      rows.push_back({key.first, key.second, lag});
    } else if (!other || other->events < lag) {
      other = Lag{key.first, "other", lag};
    }
  }
  if (other) rows.push_back(*other);
  return rows;
}

}  // namespace rollcall
