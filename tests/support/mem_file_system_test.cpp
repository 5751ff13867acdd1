// The test file system must itself be trusted: it loses what a disk may lose and nothing else.
#include "tests/support/mem_file_system.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/manual_clock.h"

namespace rollcall::test {
namespace {

constexpr std::size_t kMax = 1 << 20;
constexpr std::uint64_t kSeeds = 200;

TEST(MemFileSystem, ReadsBackWhatWasWritten) {
  MemFileSystem files;
  ASSERT_TRUE(files.make_directory("/s/t"));
  ASSERT_TRUE(files.write_synced("/s/t/a", "one"));
  EXPECT_EQ(files.read("/s/t/a", kMax).value(), "one");
  EXPECT_EQ(files.read("/s/t/b", kMax).error().code, ErrorCode::NotFound);
  EXPECT_EQ(files.read("/s/t/a", 2).error().code, ErrorCode::LimitExceeded);
  EXPECT_EQ(files.list("/s").value(), std::vector<std::string>{"t"});
  EXPECT_EQ(files.list("/s/t").value(), std::vector<std::string>{"a"});
  EXPECT_FALSE(files.write_synced("/absent/a", "x"));
}

TEST(MemFileSystem, AtomicWriteSurvivesEveryPowerCut) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    MemFileSystem files(seed);
    files.put("/s/f", "old");
    ASSERT_TRUE(write_atomically(files, "/s", "f", "new"));
    files.power_cut();
    EXPECT_EQ(files.content("/s/f"), "new") << "seed " << seed;
  }
}

TEST(MemFileSystem, R1_5_PowerCutAtAnyCallLeavesOldOrNew) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    std::set<std::string> seen;
    for (std::uint64_t call = 1; call <= 3; ++call) {
      MemFileSystem files(seed);
      files.put("/s/f", "old");
      files.cut_power_at(call);
      EXPECT_FALSE(write_atomically(files, "/s", "f", "new"));
      EXPECT_TRUE(files.power_is_off());
      EXPECT_FALSE(files.read("/s/f", kMax));
      files.power_cut();
      EXPECT_FALSE(files.power_is_off());
      const auto content = files.content("/s/f");
      ASSERT_TRUE(content == "old" || content == "new") << "seed " << seed << " call " << call;
      EXPECT_EQ(files.read("/s/f", kMax).value(), content);
    }
  }
}

TEST(MemFileSystem, UnsyncedRenameIsSometimesLostAndSometimesKept) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    MemFileSystem files(seed);
    files.put("/s/f", "old");
    ASSERT_TRUE(files.write_synced("/s/g", "new"));
    ASSERT_TRUE(files.rename("/s/g", "/s/f"));
    files.power_cut();
    seen.insert(files.content("/s/f").value());
  }
  EXPECT_EQ(seen, (std::set<std::string>{"old", "new"}));
}

TEST(MemFileSystem, AFailedDirectorySyncStaysInDoubtUntilRewritten) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    MemFileSystem files(seed);
    files.put("/s/f", "old");
    files.fail_nth(FileCall::SyncDirectory, 1);
    const auto outcome = write_atomically(files, "/s", "f", "new");
    ASSERT_FALSE(outcome);
    EXPECT_TRUE(outcome.error().unknown);
    EXPECT_EQ(outcome.error().error.code, ErrorCode::StoreIo);
    ASSERT_TRUE(files.sync_directory("/s"));  // doesn't help
    files.power_cut();
    seen.insert(files.content("/s/f").value());

    files.fail_nth(FileCall::SyncDirectory, 1);
    ASSERT_FALSE(write_atomically(files, "/s", "f", "newer"));
    ASSERT_TRUE(write_atomically(files, "/s", "f", "newest"));  // helps
    files.power_cut();
    EXPECT_EQ(files.content("/s/f"), "newest") << "seed " << seed;
  }
  EXPECT_EQ(seen, (std::set<std::string>{"old", "new"}));
}

TEST(MemFileSystem, AFailedWriteMayLeaveAnything) {
  std::set<std::string> seen;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    MemFileSystem files(seed);
    files.put("/s/f", "old");
    files.fail_nth(FileCall::WriteSynced, 1);
    ASSERT_FALSE(files.write_synced("/s/f", "new"));
    files.power_cut();
    seen.insert(files.content("/s/f").value());
  }
  EXPECT_TRUE(seen.contains("old"));
  EXPECT_TRUE(seen.contains("new"));
  EXPECT_TRUE(seen.contains(""));
}

TEST(MemFileSystem, WriteAtomicallyTellsKnownFailuresFromUnknownOnes) {
  for (const FileCall call : {FileCall::WriteSynced, FileCall::Rename}) {
    MemFileSystem files;
    files.put("/s/f", "old");
    files.fail_nth(call, 1);
    const auto outcome = write_atomically(files, "/s", "f", "new");
    ASSERT_FALSE(outcome);
    EXPECT_FALSE(outcome.error().unknown);
    EXPECT_EQ(files.content("/s/f"), "old");
    EXPECT_EQ(files.paths(), std::vector<std::string>{"/s/f"}) << "the temporary file was left";
  }
}

TEST(MemFileSystem, LocksExcludeAndNameTheirHolderUntilTheProcessDies) {
  MemFileSystem files;
  ASSERT_TRUE(files.make_directory("/s"));
  auto first = files.lock("/s/lock", "pid 7");
  ASSERT_TRUE(first);
  const auto second = files.lock("/s/lock", "pid 8");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::StoreLocked);
  EXPECT_NE(second.error().message.find("pid 7"), std::string::npos);
  files.process_death();
  auto third = files.lock("/s/lock", "pid 9");
  ASSERT_TRUE(third);
  first->reset();  // the lock of the dead process releases nothing
  EXPECT_FALSE(files.lock("/s/lock", "pid 10"));
  third->reset();
  EXPECT_TRUE(files.lock("/s/lock", "pid 11"));
}

TEST(MemFileSystem, CountsAndFailsAsPlanned) {
  MemFileSystem files(3);
  files.put("/s/f", "x");
  files.fail_nth(FileCall::Read, 3);
  EXPECT_TRUE(files.read("/s/f", kMax));
  EXPECT_TRUE(files.read("/s/f", kMax));
  EXPECT_FALSE(files.read("/s/f", kMax));
  EXPECT_TRUE(files.read("/s/f", kMax));
  EXPECT_EQ(files.calls(FileCall::Read), 4u);
  EXPECT_EQ(files.calls(), 4u);
  EXPECT_EQ(files.changing_calls(), 0u);
  files.fail_with_probability(FileCall::Any, 1.0);
  EXPECT_FALSE(files.remove("/s/f"));
  EXPECT_EQ(files.changing_calls(), 1u);
  files.stop_failing();
  EXPECT_TRUE(files.remove("/s/f"));
  EXPECT_TRUE(files.remove("/s/f")) << "absent is success";
}

TEST(MemFileSystem, LinksKeepThePreviousGeneration) {
  MemFileSystem files;
  files.put("/s/f", "one");
  ASSERT_TRUE(files.link_or_copy("/s/f", "/s/f.previous"));
  ASSERT_TRUE(write_atomically(files, "/s", "f", "two"));
  EXPECT_EQ(files.content("/s/f.previous"), "one");
  EXPECT_EQ(files.link_or_copy("/s/absent", "/s/x").error().code, ErrorCode::NotFound);
}

TEST(ManualClock, MovesOnlyWhenTold) {
  ManualClock clock;
  const MonoTime start = clock.now();
  const WallTime wall = clock.wall_now();
  EXPECT_EQ(clock.now(), start);
  clock.advance(std::chrono::milliseconds(1500));
  EXPECT_EQ(clock.now() - start, std::chrono::milliseconds(1500));
  EXPECT_EQ(to_unix_ms(clock.wall_now()) - to_unix_ms(wall), 1500);
  clock.set_wall(from_unix_ms(5));
  EXPECT_EQ(to_unix_ms(clock.wall_now()), 5);
  EXPECT_EQ(clock.now() - start, std::chrono::milliseconds(1500));
}

}  // namespace
}  // namespace rollcall::test
