// RealClock: the process's clock. Monotonic time is CLOCK_BOOTTIME, which goes on while the machine
// sleeps: after a suspend, answers are as old as they are.
//
// Threads: any.
#pragma once

#include "core/time.h"

namespace rollcall {

class RealClock final : public Clock {
 public:
  MonoTime now() const override;
  WallTime wall_now() const override;
};

}  // namespace rollcall
