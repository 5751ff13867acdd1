// Many writers at once: writes are serialised, the listener hears them in order, and a write that
// was judged against an older set is judged again.
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "tests/registry/registry_fixture.h"

namespace rollcall {
namespace {

using test::consul;
using test::in_memory;

using RegistryConcurrencyTest = test::RegistryFixture;

TEST_F(RegistryConcurrencyTest, R5_4_WritesOfManyThreadsAllCountAndAreToldInOrder) {
  constexpr int kThreads = 4;
  constexpr int kEach = 12;
  std::atomic<bool> reading{true};
  std::thread reader([&] {
    Revision last;
    while (reading) {
      const auto view = registry().view();
      EXPECT_GE(view->revision, last);
      EXPECT_EQ(view->providers.size(), view->revision.value()) << "never a mixture";
      last = view->revision;
    }
  });
  std::vector<std::thread> writers;
  for (int t = 0; t < kThreads; ++t) {
    writers.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const std::string id = "p" + std::to_string(t) + "-" + std::to_string(i);
        auto change = registry().add(in_memory(id), {});
        while (!change && change.error().code == ErrorCode::RevisionConflict) {
          change = registry().add(in_memory(id), {});
        }
        EXPECT_TRUE(change);
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  reading = false;
  reader.join();
  ASSERT_EQ(told().size(), static_cast<std::size_t>(kThreads * kEach));
  for (std::size_t i = 0; i < told().size(); ++i) {
    EXPECT_EQ(told()[i].revision, Revision(i + 1));
    EXPECT_EQ(told()[i].providers.size(), i + 1);
  }
  restart();
  EXPECT_EQ(ids().size(), static_cast<std::size_t>(kThreads * kEach));
}

TEST_F(RegistryConcurrencyTest, OfTwoWithTheSameIdOneWins) {
  constexpr int kThreads = 6;
  std::latch begin(kThreads);
  std::atomic<int> accepted{0};
  std::atomic<int> duplicates{0};
  std::vector<std::thread> writers;
  for (int t = 0; t < kThreads; ++t) {
    writers.emplace_back([&, t] {
      begin.arrive_and_wait();
      const auto change = registry().add(in_memory("same", t), {});
      if (change) ++accepted;
      if (!change && change.error().code == ErrorCode::DuplicateName) ++duplicates;
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(accepted, 1);
  EXPECT_EQ(duplicates, kThreads - 1);
}

TEST_F(RegistryConcurrencyTest, OfTwoThatExpectTheSameRevisionOneWins) {
  constexpr int kThreads = 6;
  std::latch begin(kThreads);
  std::atomic<int> accepted{0};
  std::atomic<int> conflicts{0};
  std::vector<std::thread> writers;
  for (int t = 0; t < kThreads; ++t) {
    writers.emplace_back([&, t] {
      RegistryWrite write;
      write.expected_revision = Revision(0);
      begin.arrive_and_wait();
      const auto change = registry().add(in_memory("p" + std::to_string(t)), write);
      if (change) ++accepted;
      if (!change && change.error().code == ErrorCode::RevisionConflict) ++conflicts;
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(accepted, 1);
  EXPECT_EQ(conflicts, kThreads - 1);
}

TEST_F(RegistryConcurrencyTest, R1_4_ASlowBackendHoldsUpNeitherReadersNorOtherWriters) {
  // While the backend of `slow` is being asked, another write comes and goes; then the first one is
  // judged again without asking its backend twice.
  std::latch asked(1);
  std::latch go_on(1);
  backends().set("slow", [&](MonoTime) -> Result<Capabilities> {
    asked.count_down();
    go_on.wait();
    return Capabilities{};
  });
  std::thread slow([&] { EXPECT_TRUE(registry().add(consul("slow"), {})); });
  asked.wait();
  EXPECT_TRUE(registry().add(in_memory("quick"), {}));
  EXPECT_EQ(registry().view()->providers.size(), 1u);
  go_on.count_down();
  slow.join();
  EXPECT_EQ(ids(), (std::vector<std::string>{"quick", "slow"}));
  EXPECT_EQ(backends().asked().size(), 1u);
}

TEST_F(RegistryConcurrencyTest, WhatHappenedWhileABackendWasAskedCounts) {
  std::latch asked(1);
  std::latch go_on(1);
  backends().set("c1", [&](MonoTime) -> Result<Capabilities> {
    asked.count_down();
    go_on.wait();
    return Capabilities{};
  });
  std::thread slow([&] {
    const auto change = registry().add(consul("c1"), {});
    ASSERT_FALSE(change);
    EXPECT_EQ(change.error().code, ErrorCode::DuplicateName);
  });
  asked.wait();
  EXPECT_TRUE(registry().add(in_memory("c1"), {}));
  go_on.count_down();
  slow.join();
  EXPECT_EQ(registry().find(ProviderId("c1"))->descriptor.kind, "in-memory");
}

// Somebody disables a provider while the backend of its new descriptor is asked.
TEST_F(RegistryConcurrencyTest, AnUpdateThatSaysNothingOfEnabledLeavesWhatBecameOfIt) {
  ASSERT_TRUE(registry().add(consul("c1"), {}));
  backends().set("c1", [&](MonoTime) -> Result<Capabilities> {
    EXPECT_TRUE(registry().disable(ProviderId("c1"), "flapping", {}));
    return Capabilities{};
  });
  RegistryWrite write;
  write.keep_enabled = true;
  ASSERT_TRUE(registry().update(consul("c1", 0, "other"), write));
  const auto updated = registry().find(ProviderId("c1"));
  EXPECT_EQ(updated->descriptor.watch_params.at("service"), "other");
  EXPECT_FALSE(updated->descriptor.enabled);
  EXPECT_EQ(updated->descriptor.disabled_reason, "flapping");
}

// A store whose first save waits until the test lets it go on.
class SlowStore final : public ProviderStore {
 public:
  Result<StoredProviders> load() override { return StoredProviders{}; }
  tl::expected<Revision, WriteOutcome> save(const std::vector<ProviderDescriptor>&,
                                            Revision expected) override {
    if (expected == Revision(0)) {
      saving.count_down();
      go_on.wait();
    }
    return expected.next();
  }
  std::latch saving{1};
  std::latch go_on{1};
};

TEST(RegistryQueueTest, WhileOneStoresOthersReadAndABoundedNumberWaits) {
  test::TestCatalog catalog;
  const ProviderValidator validator(catalog, catalog.context());
  SlowStore store;
  auto registry = *ProviderRegistry::open(store, nullptr, validator);
  std::thread first([&] { EXPECT_TRUE(registry->add(in_memory("first"), {})); });
  store.saving.wait();
  EXPECT_TRUE(registry->view()->providers.empty()) << "not before it is durable";

  constexpr std::size_t kTooMany = 3;
  std::atomic<std::size_t> refused{0};
  std::vector<std::thread> writers;
  for (std::size_t i = 0; i < limits::kMaxRegistryWriters + kTooMany; ++i) {
    writers.emplace_back([&, i] {
      const auto change = registry->add(in_memory("p" + std::to_string(i)), {});
      if (change || change.error().code != ErrorCode::LimitExceeded) return;
      ++refused;
      refused.notify_all();
    });
  }
  for (std::size_t seen = refused; seen < kTooMany; seen = refused) refused.wait(seen);
  EXPECT_EQ(registry->view()->revision, Revision(0));
  store.go_on.count_down();
  first.join();
  for (std::thread& writer : writers) writer.join();
  EXPECT_NE(registry->find(ProviderId("first")), std::nullopt);
}

}  // namespace
}  // namespace rollcall
