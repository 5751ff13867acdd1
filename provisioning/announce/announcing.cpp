#include "provisioning/announce/announcing.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include "provisioning/announce/limits.h"

namespace rollcall {
namespace {

// The thread looks at the clock at least this often: a machine that slept wakes up late by no more.
constexpr Duration kLongestWait = std::chrono::seconds(1);

Duration look_interval(Duration ttl) {
  return std::clamp<Duration>(ttl / 12, limits::kAnnounceLookMin, limits::kAnnounceLookMax);
}

}  // namespace

Announcing::Announcing(Dependencies dependencies, const Options& options)
    : deps_(std::move(dependencies)),
      look_every_(look_interval(options.what.ttl)),
      shares_(options.providers.size()) {
  const ProviderAnnouncement::Context context{deps_.clock, deps_.telemetry, &cancel_};
  SplitMix64 seeds(options.seed);
  announcements_.reserve(options.providers.size());
  for (const ProviderId& id : options.providers) {
    announcements_.emplace_back(id, options.what, seeds.next(), context);
  }
  publish();
}

Announcing::~Announcing() { stop(); }

void Announcing::start() {
  thread_ = std::thread([this] { run(); });
}

void Announcing::providers_changed() {
  const MutexLock lock(mutex_);
  poked_ = true;
  changed_.notify_all();
}

void Announcing::begin_drain(MonoTime until) {
  {
    const MutexLock lock(mutex_);
    if (drain_until_) return;
    drain_until_ = until;
    changed_.notify_all();
  }
  if (!thread_.joinable()) return;
  try {
    impatience_ = std::thread([this, until] { end_call_at_hand(until); });
  } catch (const std::system_error&) {
    // No thread can be had: a call that hangs now is waited for.
  }
}

// A call that hangs must not take the time from the providers that would answer. It gets a share of
// it as each of them does, and then that one is left to its TTL.
void Announcing::end_call_at_hand(MonoTime until) {
  const Duration left = std::max(until - deps_.clock->now(), Duration::zero());
  const MonoTime by = deps_.clock->now() + left / static_cast<std::int64_t>(shares_ + 1);
  MutexLock lock(mutex_);
  while (!withdrawing_ && !stopping_ && !ended_) {
    const Duration patience = by - deps_.clock->now();
    // Under the lock, so that it is not the call of a withdrawal that begins.
    if (patience <= Duration::zero()) return cancel_.cancel_one();
    lock.wait(changed_, patience);
  }
}

bool Announcing::asked_to_end() const {
  const MutexLock lock(mutex_);
  return stopping_ || drain_until_.has_value();
}

void Announcing::stop() {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(mutex_);
    while (drain_until_ && !ended_) {
      const Duration left = *drain_until_ - deps_.clock->now();
      if (left <= Duration::zero()) break;
      lock.wait(changed_, left);
    }
    stopping_ = true;
    changed_.notify_all();
  }
  cancel_.cancel();
  thread_.join();
  if (impatience_.joinable()) impatience_.join();
}

std::vector<AnnounceStatus> Announcing::status() const {
  const MutexLock lock(mutex_);
  return status_;
}

// --- the announcing thread ----------------------------------------------------------------------

void Announcing::run() {
  MonoTime look_at = deps_.clock->now();
  for (Woken woken = Woken::Time; woken != Woken::Stop && woken != Woken::Drain;) {
    if (woken == Woken::Poked || deps_.clock->now() >= look_at) {
      look();
      look_at = deps_.clock->now() + look_every_;
    }
    for (ProviderAnnouncement& announcement : announcements_) {
      if (asked_to_end()) break;
      const auto due = announcement.machine().due();
      if (due && deps_.clock->now() >= *due) announcement.due();
      publish();
    }
    woken = wait_until(std::min(look_at, next_due().value_or(look_at)));
    if (woken == Woken::Drain) withdraw_all();
  }
  const MutexLock lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

Announcing::Woken Announcing::wait_until(MonoTime at) {
  MutexLock lock(mutex_);
  for (;;) {
    if (drain_until_) return Woken::Drain;  // also when its time is over: what was left is told
    if (stopping_) return Woken::Stop;
    if (std::exchange(poked_, false)) return Woken::Poked;
    const Duration left = at - deps_.clock->now();
    if (left <= Duration::zero()) return Woken::Time;
    lock.wait(changed_, std::min(left, kLongestWait));
  }
}

std::optional<MonoTime> Announcing::next_due() const {
  std::optional<MonoTime> next;
  for (const ProviderAnnouncement& announcement : announcements_) {
    const auto due = announcement.machine().due();
    if (due && (!next || *due < *next)) next = due;
  }
  return next;
}

void Announcing::look() {
  const auto status = deps_.status();
  for (ProviderAnnouncement& announcement : announcements_) {
    if (asked_to_end()) return;
    const auto provider = deps_.find(announcement.status().provider);
    const ProviderStatus* seen = nullptr;
    if (status) {
      const auto found = std::find_if(
          status->providers.begin(), status->providers.end(), [&](const ProviderStatus& p) {
            return p.spec.descriptor.id == announcement.status().provider;
          });
      if (found != status->providers.end()) seen = &*found;
    } else if (provider == nullptr) {
      continue;  // gone, or not made? The service, which is busy, knows
    }
    announcement.look(provider, seen);
    publish();
  }
}

void Announcing::withdraw_all() {
  MonoTime until{};
  {
    const MutexLock lock(mutex_);
    until = *drain_until_;
    withdrawing_ = true;
    changed_.notify_all();
  }
  // Each has an equal share of the time that is left, so that one that hangs leaves the others
  // theirs.
  auto left = static_cast<std::int64_t>(announcements_.size());
  for (ProviderAnnouncement& announcement : announcements_) {
    const MonoTime now = deps_.clock->now();
    announcement.drain(now + std::max(until - now, Duration::zero()) / left--);
    publish();
  }
  // What failed is tried again as long as there is time.
  for (auto due = next_due(); due && *due < until; due = next_due()) {
    {
      MutexLock lock(mutex_);
      while (!stopping_ && deps_.clock->now() < *due) {
        lock.wait(changed_, std::min(*due - deps_.clock->now(), kLongestWait));
      }
      if (stopping_) break;
    }
    for (ProviderAnnouncement& announcement : announcements_) {
      const auto at = announcement.machine().due();
      if (at && deps_.clock->now() >= *at) announcement.drain(until);
    }
    publish();
  }
  for (ProviderAnnouncement& announcement : announcements_) announcement.drained();
}

void Announcing::publish() {
  std::vector<AnnounceStatus> now;
  now.reserve(announcements_.size());
  for (const ProviderAnnouncement& announcement : announcements_) {
    now.push_back(announcement.status());
  }
  const MutexLock lock(mutex_);
  status_ = std::move(now);
}

}  // namespace rollcall
