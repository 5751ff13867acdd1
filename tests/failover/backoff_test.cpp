#include "provisioning/failover/backoff.h"

#include <gtest/gtest.h>

#include <set>

namespace rollcall {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr BackoffLimits kDefault{seconds(2), seconds(30), 0.2};

TEST(Backoff, S3_DoublesFromTwoToThirtySecondsWithinTwentyPercent) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    SplitMix64 random(seed);
    Duration base = seconds(2);
    for (std::uint32_t failures = 1; failures <= 12; ++failures) {
      const Duration wait = backoff_wait(kDefault, failures, random);
      EXPECT_GE(wait, base * 8 / 10) << "seed " << seed << ", failure " << failures;
      EXPECT_LE(wait, base * 12 / 10) << "seed " << seed << ", failure " << failures;
      EXPECT_LE(wait, kDefault.max) << "seed " << seed << ", failure " << failures;
      base = std::min(Duration(base * 2), kDefault.max);
    }
  }
}

TEST(Backoff, S3_TheJitterSpreads) {
  SplitMix64 random(7);
  std::set<std::int64_t> waits;
  for (int i = 0; i < 100; ++i) waits.insert(to_ms(backoff_wait(kDefault, 3, random)));
  EXPECT_GT(waits.size(), 50u);
}

TEST(Backoff, TheSameSeedGivesTheSameWaits) {
  SplitMix64 one(42);
  SplitMix64 two(42);
  for (std::uint32_t i = 1; i < 50; ++i) {
    EXPECT_EQ(backoff_wait(kDefault, i, one), backoff_wait(kDefault, i, two));
  }
}

TEST(Backoff, TheGeneratorIsSplitMix64OnEveryPlatform) {
  // Reference values of the published algorithm for seed 1234567.
  SplitMix64 random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317u);
  EXPECT_EQ(random.next(), 3203168211198807973u);
  EXPECT_EQ(random.next(), 9817491932198370423u);
}

TEST(Backoff, ManyFailuresAndOddLimitsDoNotOverflow) {
  SplitMix64 random(1);
  EXPECT_LE(backoff_wait(kDefault, 4'000'000'000u, random), kDefault.max);
  const BackoffLimits upside_down{seconds(50), seconds(10), 0.2};
  EXPECT_LE(backoff_wait(upside_down, 1, random), seconds(10));
  const BackoffLimits still{milliseconds(5), milliseconds(5), 0.0};
  EXPECT_EQ(backoff_wait(still, 9, random), milliseconds(5));
}

}  // namespace
}  // namespace rollcall
