#include "provisioning/service/operator_log.h"

#include <gtest/gtest.h>

#include "core/limits.h"

namespace rollcall {
namespace {

OperatorNotice named(const std::string& name) {
  OperatorNotice n;
  n.event = name;
  return n;
}

TEST(OperatorLog, GivesIndexesWithoutGaps) {
  OperatorLog log;
  log.append(named("a"));
  log.append(named("b"));
  const auto all = log.read(0, 10);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].index, 1u);
  EXPECT_EQ(all[1].index, 2u);
  EXPECT_EQ(log.newest(), 2u);
  EXPECT_EQ(log.read(1, 10).size(), 1u);
  EXPECT_EQ(log.read(0, 1).size(), 1u);
  EXPECT_TRUE(log.read(2, 10).empty());
}

TEST(OperatorLog, KeepsTheNewestOnly) {
  OperatorLog log;
  for (std::size_t i = 0; i < limits::kOperatorEvents + 10; ++i) log.append(named("x"));
  const auto all = log.read(0, 10'000);
  EXPECT_EQ(all.size(), limits::kOperatorEvents);
  EXPECT_EQ(all.front().index, 11u);
}

TEST(OperatorLog, WakesWatchersUntilTheyLeave) {
  OperatorLog log;
  int woken = 0;
  const auto id = log.watch([&] { ++woken; });
  ASSERT_TRUE(id);
  log.append(named("a"));
  EXPECT_EQ(woken, 1);
  log.unwatch(*id);
  log.append(named("b"));
  EXPECT_EQ(woken, 1);
}

TEST(OperatorLog, AWatcherMayReadInItsCallback) {
  OperatorLog log;
  std::size_t seen = 0;
  ASSERT_TRUE(log.watch([&] { seen = log.read(0, 10).size(); }));
  log.append(named("a"));
  EXPECT_EQ(seen, 1u);
}

TEST(OperatorLog, TheNumberOfWatchersIsBounded) {
  OperatorLog log;
  for (std::size_t i = 0; i < limits::kMaxEventWatchers; ++i) ASSERT_TRUE(log.watch([] {}));
  const auto refused = log.watch([] {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::LimitExceeded);
}

}  // namespace
}  // namespace rollcall
