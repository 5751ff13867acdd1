// Backoff: how long to wait after the n-th failure in a row: doubling, bounded, spread (SPEC 3).
//
// The generator is inside, with its seed as an input, so that the same inputs give the same waits
// on every platform (the standard library's distributions do not promise that).
//
// Threads: a value.
#pragma once

#include <cstdint>

#include "core/time.h"

namespace rollcall {

// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
class SplitMix64 {
 public:
  explicit SplitMix64(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  double unit();  // [0, 1)

 private:
  std::uint64_t state_;
};

struct BackoffLimits {
  Duration initial{};
  Duration max{};
  double jitter = 0.2;  // share of the wait, both ways
};

// The wait after `failures` (≥ 1) in a row; never above `limits.max`, jitter included.
Duration backoff_wait(const BackoffLimits& limits, std::uint32_t failures, SplitMix64& random);

}  // namespace rollcall
