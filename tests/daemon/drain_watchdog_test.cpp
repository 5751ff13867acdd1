// The end of a process that hangs while it ends.

#include "deploy/rollcalld/drain_watchdog.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>

namespace rollcall {
namespace {

TEST(DrainWatchdogDeathTest, AHangingEndIsEndedWithStatusZero) {
  EXPECT_EXIT(
      {
        DrainWatchdog watchdog;
        watchdog.arm(std::chrono::milliseconds(1));
        while (true) ::pause();
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(DrainWatchdogDeathTest, AnEndInTimeIsLeftAlone) {
  EXPECT_EXIT(
      {
        { const DrainWatchdog never_armed; }
        {
          DrainWatchdog watchdog;
          watchdog.arm(std::chrono::hours(1));
          watchdog.arm(std::chrono::milliseconds(0));  // the first call counts
        }
        std::_Exit(7);
      },
      ::testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace rollcall
