// MergedView against the rule of its header, applied naively to random histories.
#include <gtest/gtest.h>

#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "core/codec/canonical.h"
#include "provisioning/control/merged_view.h"

namespace rollcall {
namespace {

Member member(const std::string& id, const std::string& host, std::uint16_t port = 1) {
  ClusterNode node;
  node.id = NodeId(id);
  node.host = host;
  node.port = port;
  return make_member(std::make_shared<const ClusterNode>(std::move(node)), false);
}

using Ranked = std::vector<MergedView::Contribution>;

bool hidden_by(const Ranked& ranked, std::size_t rank, const Member& it, MergeIdentity identity) {
  for (std::size_t above = 0; above < rank; ++above) {
    for (const Member& other : ranked[above].view.to_vector()) {
      const bool same_address = other.node->host == it.node->host &&
                                other.node->port == it.node->port && it.node->port != 0;
      if (other.id() == it.id()) return true;
      if (identity == MergeIdentity::Address && same_address) return true;
    }
  }
  return false;
}

std::map<std::string, std::string> naive(const Ranked& ranked, MergeIdentity identity) {
  std::map<std::string, std::string> out;
  for (std::size_t rank = 0; rank < ranked.size(); ++rank) {
    for (const Member& it : ranked[rank].view.to_vector()) {
      if (!hidden_by(ranked, rank, it, identity)) out[it.id().str()] = it.node->host;
    }
  }
  return out;
}

std::map<std::string, std::string> shown(const MemberMap& members) {
  std::map<std::string, std::string> out;
  members.for_each([&](const Member& it) { out[it.id().str()] = it.node->host; });
  return out;
}

class Merged : public ::testing::TestWithParam<MergeIdentity> {};

TEST_P(Merged, IsTheRuleOfItsHeaderAfterEveryChange) {
  constexpr std::uint64_t kFirstSeed = 20261121;
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + 200; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    MergedView merged;
    Ranked now;
    for (const char* name : {"a", "b", "c"}) now.push_back({ProviderId(name), {}});
    for (int step = 0; step < 60; ++step) {
      MemberMap& view = now[below(now.size())].view;
      const std::string id = "n" + std::to_string(below(6));
      const std::size_t what = below(10);
      if (what < 6) {
        const auto port = static_cast<std::uint16_t>(below(2));
        view = view.with(member(id, "h" + std::to_string(below(3)), port));
      } else if (what < 9) {
        view = view.without(NodeId(id));
      } else {
        std::swap(now[0], now[1 + below(2)]);  // another ranking
      }
      ASSERT_EQ(shown(merged.update(now, GetParam())), naive(now, GetParam())) << "step " << step;
    }
  }
  std::cout << "seeds from " << kFirstSeed << "\n";
}

INSTANTIATE_TEST_SUITE_P(Identity, Merged,
                         ::testing::Values(MergeIdentity::Id, MergeIdentity::Address),
                         [](const auto& it) {
                           return it.param == MergeIdentity::Id ? "ById" : "ByAddress";
                         });

TEST(MergedView, AnUnchangedMemberKeepsItsVersionWhenAnotherOneChanges) {
  MergedView merged;
  MemberMap view;
  for (int i = 0; i < 100; ++i) view = view.with(member("n" + std::to_string(i), "h"));
  const Ranked before{{ProviderId("a"), view}};
  const MemberMap first = merged.update(before, MergeIdentity::Id);
  EXPECT_TRUE(first.same_version(merged.update(before, MergeIdentity::Id)));
  const Ranked after{{ProviderId("a"), view.with(member("n7", "other"))}};
  const auto difference = MemberMap::diff(first, merged.update(after, MergeIdentity::Id));
  ASSERT_EQ(difference.changed.size(), 1u);
  EXPECT_EQ(difference.changed[0].after.id().str(), "n7");
}

}  // namespace
}  // namespace rollcall
