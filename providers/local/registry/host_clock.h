// HostClock: the clock of a process that is no sidecar (the node's own, or a command's).
//
// Threads: any.
#pragma once

#include "core/time.h"

namespace rollcall {

class HostClock final : public Clock {
 public:
  MonoTime now() const override;
  WallTime wall_now() const override;
};

}  // namespace rollcall
