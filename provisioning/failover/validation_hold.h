// ValidationHold: is a provider held back because its answers keep failing validation? (R5.2)
//
// Only MALFORMED_RESPONSE and CAPABILITY_MISSING count: time-outs, refusals and authentication are
// outages, not bad providers. An operator releases it by enabling the provider again.
//
// Threads: a value, one a provider, used by the writer only.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "core/time.h"

namespace rollcall {

class ValidationHold {
 public:
  bool held() const { return held_; }
  const std::string& reason() const { return reason_; }

  void restore() { hold("held before the restart"); }
  void release();
  void confirmed() { failures_.clear(); }
  // `count` invalid answers at `now`. True: the provider is held from now on, and wasn't before.
  bool failed(std::uint32_t count, int allowed, Duration window, MonoTime now);

 private:
  void hold(std::string reason);

  bool held_ = false;
  std::string reason_;
  std::deque<MonoTime> failures_;  // at most `allowed`, oldest first
};

}  // namespace rollcall
