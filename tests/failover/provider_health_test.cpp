#include "provisioning/failover/provider_health.h"

#include <gtest/gtest.h>

namespace rollcall {
namespace {

using Phase = ProviderHealth::Phase;
using Signal = ProviderHealth::Signal;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr ProviderHealth::Limits kLimits{seconds(12), seconds(15)};
MonoTime at(Duration d) { return MonoTime(seconds(1000)) + d; }

TEST(ProviderHealth, TheTableKnowsOnlyOneWayOutOfUnreachable) {
  for (int s = 0; s < 8; ++s) {
    const auto signal = static_cast<Signal>(s);
    const Phase next = ProviderHealth::next(Phase::Unreachable, signal);
    if (signal == Signal::Confirmed) {
      EXPECT_EQ(next, Phase::Healthy);
    } else if (signal == Signal::Unwatch) {
      EXPECT_EQ(next, Phase::Idle);
    } else {
      EXPECT_EQ(next, Phase::Unreachable);
    }
  }
}

TEST(ProviderHealth, OnlyWatchingWakesAnIdleOne) {
  for (int s = 0; s < 8; ++s) {
    const auto signal = static_cast<Signal>(s);
    EXPECT_EQ(ProviderHealth::next(Phase::Idle, signal),
              signal == Signal::Watch ? Phase::Starting : Phase::Idle);
  }
}

TEST(ProviderHealth, AConfirmationMakesHealthyFromEveryWatchedPhase) {
  for (const Phase phase : {Phase::Starting, Phase::Healthy, Phase::Degraded, Phase::Unreachable}) {
    EXPECT_EQ(ProviderHealth::next(phase, Signal::Confirmed), Phase::Healthy);
    EXPECT_EQ(ProviderHealth::next(phase, Signal::Terminated), Phase::Unreachable);
    EXPECT_EQ(ProviderHealth::next(phase, Signal::Unwatch), Phase::Idle);
  }
}

TEST(ProviderHealth, S3_DeadlinesAreThoseOfTheLastConfirmation) {
  ProviderHealth health;
  health.watch(at(seconds(0)));
  EXPECT_EQ(health.deadline(kLimits), at(seconds(15)));
  health.confirmed(at(seconds(3)), at(seconds(4)));  // it waited a second in the mailbox
  EXPECT_EQ(health.confirmed_at(), at(seconds(3)));
  EXPECT_EQ(health.deadline(kLimits), at(seconds(15)));
  health.advance(kLimits, at(seconds(15)) - milliseconds(1));
  EXPECT_EQ(health.phase(), Phase::Healthy);
  health.advance(kLimits, at(seconds(15)));
  EXPECT_EQ(health.phase(), Phase::Degraded);
  EXPECT_EQ(health.deadline(kLimits), at(seconds(18)));
  health.advance(kLimits, at(seconds(18)));
  EXPECT_EQ(health.phase(), Phase::Unreachable);
  EXPECT_EQ(health.cause(), FailoverReason::Timeout);
  EXPECT_EQ(health.deadline(kLimits), std::nullopt);
}

TEST(ProviderHealth, AnAnswerThatWaitedTooLongIsNoSignOfLifeNow) {
  ProviderHealth health;
  health.watch(at(seconds(0)));
  health.confirmed(at(seconds(1)), at(seconds(20)));
  health.advance(kLimits, at(seconds(20)));
  EXPECT_EQ(health.phase(), Phase::Unreachable);
}

TEST(ProviderHealth, ConfirmationsDoNotGoBack) {
  ProviderHealth health;
  health.watch(at(seconds(0)));
  health.confirmed(at(seconds(5)), at(seconds(5)));
  health.confirmed(at(seconds(2)), at(seconds(6)));
  EXPECT_EQ(health.confirmed_at(), at(seconds(5)));
  health.confirmed(at(seconds(99)), at(seconds(7)));  // nor are they in the future
  EXPECT_EQ(health.confirmed_at(), at(seconds(7)));
}

TEST(ProviderHealth, S3_LimitsStretchWithALongInterval) {
  FailoverPolicy policy;
  auto limits = ProviderHealth::limits(policy, seconds(12));
  EXPECT_EQ(limits.degraded_after, seconds(12));
  EXPECT_EQ(limits.timeout, seconds(15));
  limits = ProviderHealth::limits(policy, seconds(60));
  EXPECT_EQ(limits.degraded_after, seconds(72));
  EXPECT_EQ(limits.timeout, seconds(90));
}

TEST(ProviderHealth, WatchingAnewForgets) {
  ProviderHealth health;
  health.watch(at(seconds(0)));
  health.failed(2, ErrorCode::AuthFailed, "x", 3);
  health.unwatch();
  EXPECT_EQ(health.state(), HealthState::Unreachable);
  health.watch(at(seconds(9)));
  EXPECT_EQ(health.phase(), Phase::Starting);
  EXPECT_EQ(health.state(), HealthState::Degraded);
  EXPECT_EQ(health.consecutive_errors(), 0u);
  EXPECT_FALSE(health.last_error());
}

}  // namespace
}  // namespace rollcall
