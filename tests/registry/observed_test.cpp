// What was observed of the backends when they were accepted is as durable as the set itself.
#include <gtest/gtest.h>

#include <string>

#include "tests/registry/registry_fixture.h"

namespace rollcall::test {
namespace {

class ObservedTest : public RegistryFixture {
 protected:
  bool unreachable(const std::string& id) {
    return registry().find(ProviderId(id))->accepted_unreachable;
  }
  // Accepted while it could not be reached; then it can be, but that is not known to be stored.
  void enable_with_unknown_outcome(const std::string& id) {
    backends().unreachable(id);
    ASSERT_TRUE(registry().add(consul(id), {false, std::nullopt, true, false}));
    backends().reachable(id);
    files().fail_nth(FileCall::SyncDirectory, 1);
    ASSERT_FALSE(registry().enable(ProviderId(id), {}));
  }
};

TEST_F(ObservedTest, R1_5_AnUnknownOutcomeIsSettledByTheNextWrite) {
  enable_with_unknown_outcome("c1");
  EXPECT_TRUE(unreachable("c1"));
  ASSERT_TRUE(registry().update(consul("c1"), {})) << "nothing changes";
  restart();
  EXPECT_TRUE(unreachable("c1")) << "what was shown before";
}

TEST_F(ObservedTest, R1_5_WhatALaterLifeReadsSurvivesAPowerCut) {
  for (int n = 0; n < 16; ++n) {
    const std::string id = "c" + std::to_string(n);
    enable_with_unknown_outcome(id);
    files().process_death();
    restart();
    const bool read = unreachable(id);
    files().power_cut();
    restart();
    EXPECT_EQ(unreachable(id), read);
  }
}

}  // namespace
}  // namespace rollcall::test
