#include "provisioning/service/real_clock.h"

#include <time.h>

namespace rollcall {
namespace {

Duration read_clock(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);  // cannot fail for these clocks on any kernel that runs this
  return std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec);
}

}  // namespace

MonoTime RealClock::now() const { return MonoTime(read_clock(CLOCK_BOOTTIME)); }

WallTime RealClock::wall_now() const { return from_unix_ms(to_ms(read_clock(CLOCK_REALTIME))); }

}  // namespace rollcall
