#include "bridges/client/backoff.h"

#include <algorithm>

namespace rollcall::client {

std::chrono::milliseconds Backoff::jittered(double ms) {
  std::uniform_real_distribution<double> spread(1.0 - limits::kBackoffJitter,
                                                1.0 + limits::kBackoffJitter);
  return std::chrono::milliseconds(static_cast<std::int64_t>(ms * spread(random_)));
}

std::chrono::milliseconds Backoff::next() {
  const auto longest_ms = static_cast<double>(policy_.max.count());
  double ms = static_cast<double>(policy_.initial.count());
  for (int i = 0; i < attempts_ && ms < longest_ms; ++i) ms *= limits::kBackoffFactor;
  if (ms < longest_ms) ++attempts_;
  return jittered(std::min(ms, longest_ms));
}

std::chrono::milliseconds Backoff::longest() {
  return jittered(static_cast<double>(policy_.max.count()));
}

}  // namespace rollcall::client
