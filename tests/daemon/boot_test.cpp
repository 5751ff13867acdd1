// What a sidecar makes of its state directory when it starts, with clocks that are told the time.
#include "deploy/rollcalld/boot.h"

#include <gtest/gtest.h>

#include "tests/support/manual_clock.h"
#include "tests/support/mem_file_system.h"

namespace rollcall::test {
namespace {

using std::chrono::hours;

class BootTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(files_.make_directory("/state"));
    ASSERT_TRUE(state_.next_boot());  // an earlier run
  }
  MonoTime expiry_after_restart(WallTime expires_at) {
    Block block;
    block.node = NodeId("n");
    block.expires_at = expires_at;
    EXPECT_TRUE(state_.save_blocks({{block.node, block}}));
    const auto boot = read_boot_state(state_, clock_, hours(24));
    EXPECT_TRUE(boot);
    return boot->blocks.at(block.node).expires_mono;
  }

  ManualClock clock_;
  MemFileSystem files_;
  StateFiles state_{files_, "/state"};
};

TEST_F(BootTest, ABlockKeepsWhatIsLeftOfItsLife) {
  EXPECT_EQ(expiry_after_restart(clock_.wall_now() + hours(7)), clock_.now() + hours(7));
}

TEST_F(BootTest, ABlockOfAClockThatWasYearsAheadLivesNoLongerThanANewOne) {
  EXPECT_EQ(expiry_after_restart(clock_.wall_now() + hours(24 * 365 * 100)),
            clock_.now() + hours(24));
}

TEST_F(BootTest, ABlockThatIsOverEndsAtOnce) {
  EXPECT_EQ(expiry_after_restart(clock_.wall_now() - hours(1)), clock_.now());
}

}  // namespace
}  // namespace rollcall::test
