#include "providers/local/registry/host_clock.h"

namespace rollcall {

MonoTime HostClock::now() const {
  return MonoTime(std::chrono::steady_clock::now().time_since_epoch());
}

WallTime HostClock::wall_now() const {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

}  // namespace rollcall
