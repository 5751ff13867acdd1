// Time as an argument (DESIGN style rule 3). Every decision uses MonoTime; WallTime is information
// that may go back (SPEC 3 "Clocks"). Only the service thread, provider threads and the bridges'
// housekeeping read a Clock; everything else is told what time it is.
#pragma once

#include <chrono>
#include <cstdint>

namespace rollcall {

using Duration = std::chrono::nanoseconds;

struct MonotonicTag {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  static constexpr bool is_steady = true;
};
// A point on this process's monotonic clock (CLOCK_BOOTTIME in the daemon, a counter in tests).
using MonoTime = std::chrono::time_point<MonotonicTag, Duration>;
// Milliseconds since 1970-01-01T00:00:00Z.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

// Thread-safe. The real one is provisioning/service/real_clock.h; tests and simulator bring theirs.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime now() const = 0;
  virtual WallTime wall_now() const = 0;
};

constexpr std::int64_t to_ms(Duration d) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}
constexpr std::int64_t to_unix_ms(WallTime t) { return t.time_since_epoch().count(); }
constexpr WallTime from_unix_ms(std::int64_t ms) { return WallTime(std::chrono::milliseconds(ms)); }

}  // namespace rollcall
