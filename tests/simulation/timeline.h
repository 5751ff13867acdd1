// Simulated time: what happens when, and the dice behind it. The same seed gives the same run.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "core/time.h"
#include "provisioning/failover/backoff.h"

namespace rollcall::test {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : random_(seed) {}
  std::uint64_t next() { return random_.next(); }
  std::size_t below(std::size_t n) { return n == 0 ? 0 : static_cast<std::size_t>(next() % n); }
  bool chance(double probability) { return random_.unit() < probability; }
  Duration between(Duration from, Duration to) {
    return from + Duration(static_cast<Duration::rep>(static_cast<double>((to - from).count()) *
                                                      random_.unit()));
  }

 private:
  SplitMix64 random_;
};

// Things to do, in the order of time and, at the same time, of being asked for.
class Timeline {
 public:
  explicit Timeline(MonoTime start) : now_(start) {}
  MonoTime now() const { return now_; }
  void at(MonoTime when, std::function<void()> what) {
    things_.emplace(std::max(when, now_), std::move(what));
  }
  void in(Duration wait, std::function<void()> what) { at(now_ + wait, std::move(what)); }
  // False: nothing is left to do up to `until`.
  bool run_next(MonoTime until) {
    if (things_.empty() || things_.begin()->first > until) {
      now_ = std::max(now_, until);
      return false;
    }
    auto thing = things_.extract(things_.begin());
    now_ = thing.key();
    thing.mapped()();
    return true;
  }

 private:
  MonoTime now_;
  std::multimap<MonoTime, std::function<void()>> things_;  // equal keys keep their order
};

}  // namespace rollcall::test
