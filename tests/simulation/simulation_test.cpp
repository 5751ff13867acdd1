// 1,000 stories from seeds that are printed when they fail. `simulation_test --seed N [--story]`
// tells one again; ROLLCALL_SIM_SEEDS says how many (the sanitizers take fewer by themselves),
// ROLLCALL_SIM_FIRST where to begin.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

#include "tests/simulation/simulation.h"

namespace rollcall::test {
namespace {

constexpr std::uint64_t kShards = 10;

#if defined(ROLLCALL_SANITIZED)
constexpr std::uint64_t kDefaultSeeds = 50;
#elif defined(NDEBUG)
constexpr std::uint64_t kDefaultSeeds = 1000;
#else
constexpr std::uint64_t kDefaultSeeds = 200;
#endif

std::uint64_t number_from(const char* name, std::uint64_t fallback) {
  const char* text = std::getenv(name);
  return text == nullptr ? fallback : std::strtoull(text, nullptr, 10);
}

Outcome tell(std::uint64_t seed) {
  Outcome outcome = Simulation(seed).run();
  for (const std::string& violation : outcome.violations) {
    ADD_FAILURE() << "seed " << seed << ", " << violation << " (again: simulation_test --seed "
                  << seed << ")";
  }
  return outcome;
}

class Seeds : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(Seeds, EveryStoryEndsWell) {
  const std::uint64_t count = number_from("ROLLCALL_SIM_SEEDS", kDefaultSeeds);
  const std::uint64_t first = number_from("ROLLCALL_SIM_FIRST", 1);
  Outcome sum;
  for (std::uint64_t i = GetParam(); i < count; i += kShards) {
    const Outcome one = tell(first + i);
    sum.events += one.events;
    sum.boots += one.boots;
    sum.snapshots += one.snapshots;
    if (HasFailure()) return;
  }
  std::cout << "seeds from " << first + GetParam() << ": " << sum.events << " events, " << sum.boots
            << " boots, " << sum.snapshots << " snapshots\n";
}

INSTANTIATE_TEST_SUITE_P(Simulation, Seeds, ::testing::Range<std::uint64_t>(0, kShards));

TEST(Simulation, TheSameSeedGivesTheSameBytes) {
  for (std::uint64_t seed = 7001; seed < 7006; ++seed) {
    const Outcome one = tell(seed);
    const Outcome two = tell(seed);
    EXPECT_EQ(one.digest, two.digest) << "seed " << seed;
    EXPECT_EQ(one.events, two.events) << "seed " << seed;
  }
}

}  // namespace
}  // namespace rollcall::test

int main(int argc, char** argv) {
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::strcmp(argv[i], "--seed") != 0) continue;
    const std::uint64_t seed = std::strtoull(argv[i + 1], nullptr, 10);
    std::ostream* story =
        i + 2 < argc && std::strcmp(argv[i + 2], "--story") == 0 ? &std::cout : nullptr;
    const rollcall::test::Outcome outcome = rollcall::test::Simulation(seed, story).run();
    std::cout << "seed " << seed << ": " << outcome.events << " events, " << outcome.boots
              << " boots, " << outcome.snapshots << " snapshots, digest " << outcome.digest << "\n";
    for (const auto& [kind, count] : outcome.counts)
      std::cout << "  " << kind << ": " << count << "\n";
    for (const std::string& violation : outcome.violations) std::cout << violation << "\n";
    return outcome.violations.empty() ? 0 : 1;
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
