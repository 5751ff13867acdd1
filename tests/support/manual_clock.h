// A clock that stands still until a test moves it.
#pragma once

#include <atomic>

#include "core/time.h"

namespace rollcall::test {

// Thread-safe. Starts at 1 s, so that "earlier than now" exists, and at a wall time in 2026.
class ManualClock : public Clock {
 public:
  MonoTime now() const override { return MonoTime(Duration(now_.load())); }
  WallTime wall_now() const override { return from_unix_ms(wall_ms_.load()); }

  // Both clocks, as time passes.
  void advance(Duration by) {
    now_ += by.count();
    wall_ms_ += to_ms(by);
  }
  // The wall alone: an administrator sets it, or it is set back (SPEC 3 "Clocks").
  void set_wall(WallTime wall) { wall_ms_ = to_unix_ms(wall); }

 private:
  std::atomic<Duration::rep> now_{1'000'000'000};
  std::atomic<std::int64_t> wall_ms_{1'790'000'000'000};
};

}  // namespace rollcall::test
