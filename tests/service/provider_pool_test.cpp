#include "provisioning/service/provider_pool.h"

#include <gtest/gtest.h>

#include "provisioning/service/real_clock.h"
#include "tests/service/scripted_provider.h"

namespace rollcall {
namespace {

using test::scripted;

class PoolTest : public ::testing::Test {
 protected:
  static AcceptedProvider accept(ProviderDescriptor d) { return {std::move(d), false, {}}; }
  RealClock clock_;
  test::ScriptedCatalog catalog_{clock_};
  ProviderPool pool_{catalog_, ProviderContext{&clock_, nullptr, "/state"}};
};

TEST_F(PoolTest, KeepsTheObjectWhileTheBackendIsTheSame) {
  ASSERT_TRUE(pool_.update({accept(scripted("a", 1))}));
  const auto before = pool_.find(ProviderId("a"));
  auto changed = scripted("a", 7);
  changed.standby = Standby::Cold;
  ASSERT_TRUE(pool_.update({accept(changed)}));
  EXPECT_EQ(pool_.find(ProviderId("a")), before);
  changed.watch_params["x"] = "y";
  ASSERT_TRUE(pool_.update({accept(changed)}));
  EXPECT_NE(pool_.find(ProviderId("a")), before);
}

TEST_F(PoolTest, ForgetsWhatLeftTheSet) {
  ASSERT_TRUE(pool_.update({accept(scripted("a")), accept(scripted("b"))}));
  ASSERT_TRUE(pool_.update({accept(scripted("b"))}));
  EXPECT_EQ(pool_.find(ProviderId("a")), nullptr);
}

TEST_F(PoolTest, R1_3_WhatCannotBeMadeIsKeptWithItsReason) {
  catalog_.cannot_be_made("a", ErrorCode::CapabilityMissing);
  const auto entries = pool_.update({accept(scripted("a")), accept(scripted("b"))});
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].spec.missing_capability, "scripted to fail");
  EXPECT_EQ((*entries)[0].provider, nullptr);
  EXPECT_FALSE((*entries)[1].spec.missing_capability);
}

TEST_F(PoolTest, R1_3_WhatCannotWatchSaysSo) {
  catalog_.lacks_watching("a");
  const auto entries = pool_.update({accept(scripted("a"))});
  ASSERT_TRUE(entries);
  EXPECT_EQ((*entries)[0].spec.missing_capability, "cannot watch before version 2");
}

TEST_F(PoolTest, ADamagedStateFileStopsTheStart) {
  catalog_.cannot_be_made("a", ErrorCode::StoreCorrupted);
  const auto refused = pool_.update({accept(scripted("a"))}, true);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::StoreCorrupted);
}

TEST_F(PoolTest, AKindThatIsNotBuiltInIsKeptAndNotActivated) {
  auto unknown = scripted("a");
  unknown.kind = "future";
  const auto entries = pool_.update({accept(unknown)}, true);
  ASSERT_TRUE(entries);
  EXPECT_TRUE((*entries)[0].spec.missing_capability);
}

}  // namespace
}  // namespace rollcall
