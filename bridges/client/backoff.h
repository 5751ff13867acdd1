// How long to wait before the next attempt: doubling, with a ceiling, and jitter from a generator
// of its own, so that a test knows every wait from the seed.
//
// Threads: one owner.
#pragma once

#include <chrono>
#include <cstdint>
#include <random>

#include "bridges/client/replica/limits.h"

namespace rollcall::client {

struct BackoffPolicy {
  std::chrono::milliseconds initial = limits::kBackoffInitial;
  std::chrono::milliseconds max = limits::kBackoffMax;
};

class Backoff {
 public:
  Backoff(BackoffPolicy policy, std::uint64_t seed) : policy_(policy), random_(seed) {}

  std::chrono::milliseconds next();  // ±limits::kBackoffJitter around the current wait
  std::chrono::milliseconds longest();
  void reset() { attempts_ = 0; }

 private:
  std::chrono::milliseconds jittered(double ms);

  BackoffPolicy policy_;
  std::mt19937_64 random_;
  int attempts_ = 0;
};

}  // namespace rollcall::client
