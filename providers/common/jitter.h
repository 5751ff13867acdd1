// Jitter: spreads what a whole fleet would otherwise do at the same moment. The seed is an
// argument, so that a test replays what it saw; a provider takes one of random_seed().
//
// Threads: belongs to one.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/time.h"

namespace rollcall {

class Jitter {
 public:
  explicit Jitter(std::uint64_t seed) : state_(seed) {}

  // `interval`, lengthened by a share of it from 0 to `share`, evenly. Never shortened: an interval
  // is a promise to whoever is asked.
  Duration lengthened(Duration interval, double share);
  // Evenly from 0 to less than `most`.
  Duration up_to(Duration most);
  // Evenly one of 0 … count - 1; 0 if there are none.
  std::size_t below(std::size_t count);

 private:
  double unit();  // in [0, 1)

  std::uint64_t state_;
};

// From the kernel's generator; two processes started by one image at one moment differ.
std::uint64_t random_seed(const Clock& clock);

}  // namespace rollcall
