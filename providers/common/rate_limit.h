// TokenBucket: bounds how often a loop may ask a backend that answers without blocking, without
// delaying the first changes after a quiet time (a burst of 2 is what Consul's documentation
// advises).
//
// Threads: belongs to one. Pure: `now` is an argument.
#pragma once

#include <algorithm>

#include "core/time.h"

namespace rollcall {

class TokenBucket {
 public:
  TokenBucket(int burst, Duration refill) : burst_(burst), refill_(refill) {}

  // Takes a token; returns from when on it may be used. Callers wait for that before the next.
  MonoTime take(MonoTime now) {
    // `empty_at_` is when the bucket, refilling since then, would hold nothing: a bucket of `burst`
    // tokens was empty at least `burst` refills ago.
    empty_at_ = std::max(empty_at_, now - burst_ * refill_) + refill_;
    return std::max(now, empty_at_);
  }

 private:
  int burst_;
  Duration refill_;
  MonoTime empty_at_{Duration::min() / 2};
};

}  // namespace rollcall
