#include "providers/common/jitter.h"

#include <sys/random.h>
#include <unistd.h>

namespace rollcall {
namespace {

// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): every seed is a good one, 0 too.
std::uint64_t next_random(std::uint64_t& state) {
  state += 0x9E3779B97F4A7C15u;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

}  // namespace

double Jitter::unit() {
  constexpr double kScale = 1.0 / static_cast<double>(std::uint64_t{1} << 53);
  return static_cast<double>(next_random(state_) >> 11) * kScale;
}

Duration Jitter::lengthened(Duration interval, double share) {
  const double more = static_cast<double>(interval.count()) * share * unit();
  return interval + Duration(static_cast<Duration::rep>(more));
}

Duration Jitter::up_to(Duration most) {
  return Duration(static_cast<Duration::rep>(static_cast<double>(most.count()) * unit()));
}

std::size_t Jitter::below(std::size_t count) {
  return static_cast<std::size_t>(static_cast<double>(count) * unit());
}

std::uint64_t random_seed(const Clock& clock) {
  std::uint64_t seed = 0;
  if (::getrandom(&seed, sizeof seed, GRND_NONBLOCK) == sizeof seed) return seed;
  // The kernel's pool is not ready, early at boot: what tells two processes apart must do.
  return static_cast<std::uint64_t>(clock.now().time_since_epoch().count()) ^
         static_cast<std::uint64_t>(clock.wall_now().time_since_epoch().count()) << 20 ^
         static_cast<std::uint64_t>(::getpid()) << 48;
}

}  // namespace rollcall
