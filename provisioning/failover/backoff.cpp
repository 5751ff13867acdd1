#include "provisioning/failover/backoff.h"

#include <algorithm>

namespace rollcall {

std::uint64_t SplitMix64::next() {
  state_ += 0x9e3779b97f4a7c15u;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

double SplitMix64::unit() {
  constexpr double kScale = 1.0 / 9007199254740992.0;  // 2^-53: what a double holds exactly
  return static_cast<double>(next() >> 11) * kScale;
}

Duration backoff_wait(const BackoffLimits& limits, std::uint32_t failures, SplitMix64& random) {
  Duration base = std::min(limits.initial, limits.max);
  for (std::uint32_t i = 1; i < failures && base < limits.max; ++i) {
    base = base > limits.max / 2 ? limits.max : base * 2;
  }
  const double factor = 1.0 + limits.jitter * (2.0 * random.unit() - 1.0);
  const auto spread = static_cast<Duration::rep>(static_cast<double>(base.count()) * factor);
  return std::min(Duration(spread), limits.max);
}

}  // namespace rollcall
