#include "provisioning/registry/provider_validator.h"

#include <gmock/gmock.h>

#include <future>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/registry/test_catalog.h"

namespace rollcall {
namespace {

using test::consul;
using test::in_memory;

TEST(ProviderValidatorTest, R1_4_BackendsAreAskedInParallel) {
  // Each waits until all of them were asked: one after another they would never end.
  test::TestCatalog catalog;
  constexpr std::size_t kAll = limits::kMaxProviders;
  auto arrived = std::make_shared<std::atomic<std::size_t>>(0);
  std::vector<ProviderDescriptor> set;
  for (std::size_t i = 0; i < kAll; ++i) {
    const std::string id = "c" + std::to_string(i);
    set.push_back(consul(id));
    catalog.backends().set(id, [arrived](MonoTime) -> Result<Capabilities> {
      if (++*arrived == kAll) arrived->notify_all();
      for (std::size_t seen = *arrived; seen < kAll; seen = *arrived) arrived->wait(seen);
      return Capabilities{};
    });
  }
  const ProviderValidator validator(catalog, catalog.context(), std::chrono::minutes(1));
  const auto results = validator.check_connectivity(set);
  ASSERT_EQ(results.size(), kAll);
  for (const auto& result : results) EXPECT_TRUE(result);
}

TEST(ProviderValidatorTest, R1_4_TheDeadlineIsToldInMonotonicTime) {
  test::TestCatalog catalog;
  std::promise<MonoTime> told;
  catalog.backends().set("c1", [&](MonoTime deadline) -> Result<Capabilities> {
    told.set_value(deadline);
    return Capabilities{};
  });
  const ProviderValidator validator(catalog, catalog.context());
  ASSERT_TRUE(validator.check_connectivity({consul("c1")})[0]);
  EXPECT_EQ(
      told.get_future().get(),
      catalog.context().clock->now() + limits::kConnectivityDeadline - limits::kConnectivityGrace);
}

TEST(ProviderValidatorTest, R1_4_WhoIgnoresTheDeadlineIsLeftBehind) {
  test::TestCatalog catalog;
  auto release = std::make_shared<std::promise<void>>();
  auto gone = std::make_shared<std::promise<void>>();
  catalog.backends().set(
      "stuck", [wait = release->get_future().share(), gone](MonoTime) -> Result<Capabilities> {
        wait.wait();
        gone->set_value();
        return Capabilities{};
      });
  const ProviderValidator validator(catalog, catalog.context(), std::chrono::milliseconds(20),
                                    std::chrono::milliseconds(10));
  const auto results = validator.check_connectivity({consul("stuck")});
  ASSERT_FALSE(results[0]);
  EXPECT_EQ(results[0].error().code, ErrorCode::Timeout);
  EXPECT_EQ(validator.checks_under_way(), 1u);
  release->set_value();
  gone->get_future().wait();
  // What the check uses may be destroyed from here on, and not before.
  while (validator.checks_under_way() != 0) std::this_thread::yield();
}

TEST(ProviderValidatorTest, OnlySoManyChecksAreLeftBehind) {
  test::TestCatalog catalog;
  std::promise<void> release;
  const std::shared_future<void> wait = release.get_future().share();
  std::vector<ProviderDescriptor> stuck;
  for (std::size_t i = 0; i < kMaxAbandonedChecks; ++i) {
    stuck.push_back(consul("c" + std::to_string(i)));
    catalog.backends().set(stuck.back().id.str(), [wait](MonoTime) -> Result<Capabilities> {
      wait.wait();
      return Capabilities{};
    });
  }
  const ProviderValidator validator(catalog, catalog.context(), std::chrono::milliseconds(20),
                                    std::chrono::milliseconds(10));
  (void)validator.check_connectivity(stuck);
  const auto one_more = validator.check_connectivity({consul("more")});
  ASSERT_FALSE(one_more[0]);
  EXPECT_EQ(one_more[0].error().code, ErrorCode::LimitExceeded);
  EXPECT_EQ(validator.checks_under_way(), kMaxAbandonedChecks) << "it was asked all the same";
  release.set_value();
  while (validator.checks_under_way() != 0) std::this_thread::yield();
  EXPECT_TRUE(validator.check_connectivity({consul("more")})[0]);
}

TEST(ProviderValidatorTest, WhatAProviderThrowsIsAnAnswer) {
  test::TestCatalog catalog;
  catalog.backends().set(
      "c1", [](MonoTime) -> Result<Capabilities> { throw std::runtime_error("out of luck"); });
  catalog.backends().set("c2", [](MonoTime) -> Result<Capabilities> { throw 7; });
  const ProviderValidator validator(catalog, catalog.context());
  const auto results = validator.check_connectivity({consul("c1"), consul("c2")});
  for (const auto& result : results) {
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::BackendUnavailable);
  }
  EXPECT_THAT(results[0].error().message, ::testing::HasSubstr("out of luck"));
}

TEST(ProviderValidatorTest, ResultsAreInTheOrderOfTheSet) {
  test::TestCatalog catalog;
  catalog.backends().unreachable("b", ErrorCode::AuthFailed);
  const ProviderValidator validator(catalog, catalog.context());
  const auto results = validator.check_connectivity({consul("a"), consul("b"), consul("c")});
  EXPECT_TRUE(results[0]);
  EXPECT_FALSE(results[1]);
  EXPECT_TRUE(results[2]);
}

TEST(ProviderValidatorTest, EachAnswerIsToldWithItsCodeAndTime) {
  test::TestCatalog catalog;
  catalog.backends().unreachable("b", ErrorCode::AuthFailed);
  ProviderValidator validator(catalog, catalog.context());
  std::vector<std::pair<ProviderId, std::optional<ErrorCode>>> told;
  validator.set_on_checked(
      [&](const ProviderId& id, std::optional<ErrorCode> error, Duration took) {
        told.emplace_back(id, error);
        EXPECT_GE(took, Duration::zero());
      });
  (void)validator.check_connectivity({consul("a"), consul("b")});
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].second, std::nullopt);
  EXPECT_EQ(told[1], std::make_pair(ProviderId("b"), std::optional(ErrorCode::AuthFailed)));
}

TEST(ProviderValidatorTest, R1_1_AGoodDescriptorHasNoProblems) {
  test::TestCatalog catalog;
  const ProviderValidator validator(catalog, catalog.context());
  EXPECT_TRUE(validator.check(consul("c1"), "provider").empty());
  EXPECT_TRUE(validator.check_all({consul("c1"), in_memory("m1")}, "providers").empty());
  EXPECT_TRUE(validator.is_external(consul("c1")));
  EXPECT_FALSE(validator.is_external(in_memory("m1")));
}

}  // namespace
}  // namespace rollcall
