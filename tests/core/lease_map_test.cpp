// LeaseMap against std::map, from seeds.
#include "core/lease_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>
#include <vector>

namespace rollcall {
namespace {

using LeaseModel = std::map<std::string, Lease>;

LeaseModel lease_model_of(const LeaseMap& leases) {
  LeaseModel out;
  std::string last;
  leases.for_each([&](const Lease& lease) {
    EXPECT_TRUE(out.empty() || last < lease.partition) << "in order, each once";
    last = lease.partition;
    out.emplace(lease.partition, lease);
  });
  return out;
}

TEST(LeaseMap, EveryVersionIsWhatWasPublishedUntilThen) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    const auto below = [&](std::uint64_t n) { return static_cast<std::size_t>(random() % n); };
    LeaseMap leases;
    LeaseModel model;
    std::vector<std::pair<LeaseMap, LeaseModel>> earlier;
    for (std::uint64_t tick = 1; tick <= 40; ++tick) {
      std::vector<Lease> published(below(tick % 10 == 0 ? 600 : 8));
      for (Lease& lease : published) {
        lease = {"p" + std::to_string(below(2000)), NodeId("n"), tick, 0, std::to_string(random())};
        model[lease.partition] = lease;
      }
      earlier.emplace_back(leases, lease_model_of(leases));
      leases = leases.with(published);
      ASSERT_EQ(lease_model_of(leases), model);
      ASSERT_EQ(leases.size(), model.size());
      const std::string asked = "p" + std::to_string(below(2000));
      const auto known = model.find(asked);
      const Lease* found = leases.find(asked);
      ASSERT_EQ(found != nullptr, known != model.end());
      if (found != nullptr) {
        EXPECT_EQ(*found, known->second);
      }
    }
    for (const auto& [version, then] : earlier) EXPECT_EQ(lease_model_of(version), then);
  }
}

TEST(LeaseMap, OfTwoOfOnePartitionTheLaterCounts) {
  const Lease first{"p", NodeId("a"), 1, 0, {}};
  const Lease second{"p", NodeId("b"), 2, 0, {}};
  const LeaseMap fresh = LeaseMap().with({first, second});
  EXPECT_EQ(fresh.size(), 1u);
  EXPECT_EQ(*fresh.find("p"), second);
  EXPECT_EQ(*fresh.with({second, first}).find("p"), first);
}

TEST(LeaseMap, NothingIsFoundInAnEmptyOne) {
  EXPECT_EQ(LeaseMap().find("p"), nullptr);
  EXPECT_EQ(LeaseMap().with({}).size(), 0u);
}

}  // namespace
}  // namespace rollcall
