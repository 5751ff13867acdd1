// What MemberMap costs, counted in allocations (one a tree node): the promise of DESIGN "Costs
// follow the change" as numbers that do not depend on the machine.
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <new>
#include <random>

#include "tests/core/sample_members.h"

namespace {
std::atomic<std::size_t> allocations{0};
}  // namespace

// Not inlined, or GCC takes new and free() for a mismatch.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
// std::stable_sort asks this way, and gives back by the ordinary one.
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, const std::nothrow_t&) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace rollcall {
namespace {

using test::numbered_id;
using test::numbered_map;
using test::numbered_member;

template <class Fn>
std::size_t count_allocations(const Fn& fn) {
  const std::size_t before = allocations;
  fn();
  return allocations - before;
}

// An AVL tree of n nodes is at most this high.
std::size_t height_bound(std::size_t n) {
  return static_cast<std::size_t>(1.4405 * std::log2(static_cast<double>(n) + 2)) + 1;
}

TEST(MemberMapCost, ReplacingOneOf100000MakesAPathOfNodes) {
  const MemberMap map = numbered_map(100'000);
  for (const std::size_t number : {0u, 1u, 49'999u, 50'000u, 99'999u}) {
    const Member member = numbered_member(number, 2);
    MemberMap changed;
    EXPECT_LE(count_allocations([&] { changed = map.with(member); }), 17u);
    EXPECT_EQ(changed.size(), map.size());
  }
}

TEST(MemberMapCost, CopyingAndReadingAllocateNothing) {
  const MemberMap map = numbered_map(1000);
  const NodeId id(numbered_id(500));
  EXPECT_EQ(count_allocations([&] {
              const MemberMap copy = map;
              EXPECT_NE(copy.find(id), nullptr);
              EXPECT_EQ(copy.size() + copy.blocked_count(), 1000u);
              EXPECT_NE(copy.hash(), 0u);
            }),
            0u);
}

TEST(MemberMapCost, RemovingTheAbsentMakesNothing) {
  const MemberMap map = numbered_map(1000);
  const NodeId id("absent");
  EXPECT_EQ(count_allocations([&] { EXPECT_TRUE(map.without(id).same_version(map)); }), 0u);
}

TEST(MemberMapCost, HostileOrdersDoNotMakeItDeep) {
  constexpr std::size_t kCount = 20'000;
  MemberMap ascending;
  MemberMap descending;
  MemberMap zigzag;
  for (std::size_t i = 0; i < kCount; ++i) {
    ascending = ascending.with(numbered_member(i));
    descending = descending.with(numbered_member(kCount - i));
    zigzag = zigzag.with(numbered_member(i % 2 == 0 ? i : 2 * kCount - i));
  }
  for (const MemberMap& map : {ascending, descending, zigzag}) {
    for (const Member& member : map.to_vector()) {
      // Replacing in place makes exactly the nodes from the root to the member.
      const Member same = member;
      const std::size_t depth = count_allocations([&] { (void)map.with(same); });
      ASSERT_LE(depth, height_bound(map.size()));
    }
  }
}

TEST(MemberMapCost, RandomChurnKeepsItShallow) {
  const std::uint64_t seed = 20261120;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  MemberMap map = numbered_map(5000);
  for (int i = 0; i < 20'000; ++i) {
    const std::size_t number = random() % 10'000;
    map = random() % 2 == 0 ? map.with(numbered_member(number))
                            : map.without(NodeId(numbered_id(number)));
  }
  for (const Member& member : map.to_vector()) {
    const Member same = member;
    ASSERT_LE(count_allocations([&] { (void)map.with(same); }), height_bound(map.size()));
  }
}

// The stacks of pending subtrees and the answer are all that it needs.
TEST(MemberMapCost, ComparingCloseVersionsAllocatesNextToNothing) {
  const MemberMap map = numbered_map(100'000);
  MemberMap changed = map.with(numbered_member(70'000, 2)).without(NodeId(numbered_id(5)));
  changed = changed.with(numbered_member(200'000));
  MemberMap::Difference difference;
  EXPECT_LE(count_allocations([&] { difference = MemberMap::diff(map, changed); }), 40u);
  EXPECT_EQ(difference.added.size(), 1u);
  EXPECT_EQ(difference.removed.size(), 1u);
  EXPECT_EQ(difference.changed.size(), 1u);
}

TEST(MemberMapCost, BuildingMakesOneNodeAMember) {
  std::vector<Member> members = numbered_map(10'000).to_vector();
  const std::size_t made = count_allocations([&] { (void)MemberMap::from(std::move(members)); });
  EXPECT_GE(made, 10'000u);
  EXPECT_LE(made, 10'010u);
}

}  // namespace
}  // namespace rollcall
