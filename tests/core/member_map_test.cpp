#include "core/member_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <thread>

#include "tests/core/sample_members.h"

namespace rollcall {
namespace {

using test::numbered_id;
using test::numbered_map;
using test::numbered_member;
using Model = std::map<std::string, Member>;

void expect_same(const MemberMap& map, const Model& model) {
  ASSERT_EQ(map.size(), model.size());
  EXPECT_EQ(map.empty(), model.empty());
  std::uint64_t hash = 0;
  std::size_t blocked = 0;
  std::array<std::size_t, kNodeStatusCount> by_status{};
  const std::vector<Member> members = map.to_vector();
  std::size_t i = 0;
  for (const auto& [id, member] : model) {
    ASSERT_EQ(members[i], member) << id;
    const Member* found = map.find(member.id());
    ASSERT_NE(found, nullptr);
    ASSERT_EQ(*found, member);
    hash += member.hash;
    blocked += member.blocked ? 1 : 0;
    ++by_status[static_cast<std::size_t>(member.node->status) - 1];
    ++i;
  }
  EXPECT_EQ(map.hash(), hash);
  EXPECT_EQ(map.blocked_count(), blocked);
  EXPECT_EQ(map.count_by_status(), by_status);
}

MemberMap::Difference naive_diff(const Model& from, const Model& to) {
  MemberMap::Difference out;
  for (const auto& [id, member] : from) {
    const auto found = to.find(id);
    if (found == to.end()) {
      out.removed.push_back(member);
    } else if (!(found->second == member)) {
      out.changed.push_back({member, found->second});
    }
  }
  for (const auto& [id, member] : to) {
    if (!from.contains(id)) out.added.push_back(member);
  }
  return out;
}

void expect_same(const MemberMap::Difference& a, const MemberMap::Difference& b) {
  EXPECT_EQ(a.added, b.added);
  EXPECT_EQ(a.removed, b.removed);
  ASSERT_EQ(a.changed.size(), b.changed.size());
  for (std::size_t i = 0; i < a.changed.size(); ++i) {
    EXPECT_EQ(a.changed[i].before, b.changed[i].before);
    EXPECT_EQ(a.changed[i].after, b.changed[i].after);
  }
}

TEST(MemberMap, EmptyHashesToZero) {
  const MemberMap map;
  EXPECT_EQ(map.size(), 0u);
  EXPECT_EQ(map.hash(), 0u);
  EXPECT_EQ(map.find(NodeId("a")), nullptr);
  EXPECT_TRUE(map.to_vector().empty());
  EXPECT_TRUE(map.without(NodeId("a")).same_version(map));
  EXPECT_TRUE(MemberMap::from({}).same_version(map));
  EXPECT_TRUE(MemberMap::diff(map, MemberMap()).empty());
}

TEST(MemberMap, OfTwoWithOneIdTheLaterWins) {
  const MemberMap map =
      MemberMap::from({numbered_member(1, 1), numbered_member(0), numbered_member(1, 2),
                       numbered_member(0, 5), numbered_member(1, 3)});
  ASSERT_EQ(map.size(), 2u);
  EXPECT_EQ(map.find(NodeId(numbered_id(0)))->node->weight, 5u);
  EXPECT_EQ(map.find(NodeId(numbered_id(1)))->node->weight, 3u);
}

TEST(MemberMap, OldVersionsStayAsTheyWere) {
  const MemberMap one = numbered_map(100);
  const std::uint64_t hash = one.hash();
  const MemberMap two = one.with(numbered_member(50, 9)).without(NodeId(numbered_id(3)));
  EXPECT_EQ(one.hash(), hash);
  EXPECT_EQ(one.size(), 100u);
  EXPECT_EQ(two.size(), 99u);
  EXPECT_EQ(one.find(NodeId(numbered_id(50)))->node->weight, 1u);
  EXPECT_FALSE(one.same_version(two));
}

TEST(MemberMap, BehavesLikeAMapWhateverIsDoneToIt) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const std::size_t ids = 1 + random() % 300;
    const int removals_of_ten = static_cast<int>(random() % 10);
    MemberMap map;
    Model model;
    for (int step = 0; step < 1500; ++step) {
      const std::size_t number = random() % ids;
      if (static_cast<int>(random() % 10) < removals_of_ten) {
        map = map.without(NodeId(numbered_id(number)));
        model.erase(numbered_id(number));
      } else {
        const Member member =
            numbered_member(number, static_cast<std::uint32_t>(random() % 4), random() % 8 == 0);
        map = map.with(member);
        model.insert_or_assign(numbered_id(number), member);
      }
      if (step % 100 == 0) expect_same(map, model);
    }
    expect_same(map, model);
  }
}

TEST(MemberMap, DifferenceOfRelatedVersionsEqualsTheNaiveOne) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    const std::size_t ids = 2 + random() % 500;
    Model before_model;
    MemberMap before;
    for (std::size_t i = 0; i < ids; i += 1 + random() % 3) {
      before = before.with(numbered_member(i));
      before_model.insert_or_assign(numbered_id(i), numbered_member(i));
    }
    MemberMap after = before;
    Model after_model = before_model;
    for (std::size_t changes = random() % 60; changes > 0; --changes) {
      const std::size_t number = random() % ids;
      if (random() % 3 == 0) {
        after = after.without(NodeId(numbered_id(number)));
        after_model.erase(numbered_id(number));
      } else {
        const Member member = numbered_member(number, static_cast<std::uint32_t>(random() % 3));
        after = after.with(member);
        after_model.insert_or_assign(numbered_id(number), member);
      }
    }
    expect_same(MemberMap::diff(before, after), naive_diff(before_model, after_model));
    expect_same(MemberMap::diff(after, before), naive_diff(after_model, before_model));
    // Rebuilt from scratch: no shared subtree, another shape, the same difference.
    const MemberMap rebuilt = MemberMap::from(after.to_vector());
    expect_same(MemberMap::diff(before, rebuilt), naive_diff(before_model, after_model));
    EXPECT_TRUE(MemberMap::diff(after, rebuilt).empty());
    EXPECT_EQ(after.hash(), rebuilt.hash());
  }
}

TEST(MemberMap, DifferenceWithNothingIsEverything) {
  const MemberMap map = numbered_map(37);
  EXPECT_EQ(MemberMap::diff(MemberMap(), map).added, map.to_vector());
  EXPECT_EQ(MemberMap::diff(map, MemberMap()).removed, map.to_vector());
  EXPECT_TRUE(MemberMap::diff(map, map).empty());
}

TEST(MemberMap, TheOrderOfChangesDoesNotMatterToTheHash) {
  std::mt19937_64 random(7);
  std::vector<Member> members = numbered_map(500).to_vector();
  const std::uint64_t hash = MemberMap::from(members).hash();
  std::shuffle(members.begin(), members.end(), random);
  MemberMap one_by_one;
  for (const Member& member : members) one_by_one = one_by_one.with(member);
  EXPECT_EQ(one_by_one.hash(), hash);
}

TEST(MemberMap, ForEachGoesInOrderOfIds) {
  std::string last;
  std::size_t count = 0;
  numbered_map(1000).for_each([&](const Member& member) {
    EXPECT_LT(last, member.id().str());
    last = member.id().str();
    ++count;
  });
  EXPECT_EQ(count, 1000u);
}

// For the thread sanitizer: readers of shared versions beside a writer of new ones.
TEST(MemberMap, VersionsAreReadFromManyThreadsWhileNewOnesAreMade) {
  const MemberMap shared = numbered_map(500);
  const std::uint64_t hash = shared.hash();
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&shared, hash] {
      for (int round = 0; round < 20; ++round) {
        const MemberMap copy = shared;
        std::uint64_t sum = 0;
        copy.for_each([&](const Member& member) { sum += member.hash; });
        EXPECT_EQ(sum, hash);
      }
    });
  }
  MemberMap own = shared;
  for (std::size_t i = 0; i < 500; ++i) own = own.with(numbered_member(i, 2));
  EXPECT_EQ(MemberMap::diff(shared, own).changed.size(), 500u);
  for (std::thread& reader : readers) reader.join();
}

}  // namespace
}  // namespace rollcall
