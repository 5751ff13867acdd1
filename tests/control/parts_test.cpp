// The small classes behind the core.
#include <gtest/gtest.h>

#include "core/codec/canonical.h"
#include "core/limits.h"
#include "provisioning/control/block_ledger.h"
#include "provisioning/control/lease_book.h"
#include "provisioning/control/leave_guard.h"
#include "provisioning/control/topology.h"

namespace rollcall {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

MonoTime at(Duration d) { return MonoTime(seconds(1000)) + d; }
NodeId id(int n) { return NodeId("n" + std::to_string(n)); }

ProvisioningError disk_error() { return {ErrorCode::StoreIo, "disk", {}, 0}; }

// --- BlockLedger --------------------------------------------------------------------------------

TEST(BlockLedger, R4_2_AtMostAThousandReportsWaitForTheDisk) {
  BlockLedger ledger;
  ASSERT_TRUE(ledger.quarantine(RequestId(1), id(0), "", "", at(hours(24))));
  ASSERT_TRUE(ledger.begin_write(at({})));
  for (std::size_t i = 0; i < limits::kMaxWaitingRequests; ++i) {
    ASSERT_TRUE(ledger.quarantine(RequestId(i + 2), id(1), "", "", at(hours(24))));
  }
  const auto refused = ledger.quarantine(RequestId(9), id(2), "", "", at(hours(24)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::LimitExceeded);
  EXPECT_FALSE(ledger.begin_write(at({}))) << "one write at a time";
  EXPECT_EQ(ledger.saved(1, std::nullopt, at({})).answers.size(), 1u);
  ASSERT_TRUE(ledger.begin_write(at({})));
  EXPECT_EQ(ledger.saved(2, std::nullopt, at({})).answers.size(), limits::kMaxWaitingRequests);
}

TEST(BlockLedger, S6_AtMostTenThousandBlocks) {
  BlockTable table;
  for (std::size_t i = 0; i < limits::kMaxBlocks; ++i) {
    const NodeId node("n" + std::to_string(i));
    table[node] = {node, "", {}, at(hours(1)), false, {}};
  }
  BlockLedger ledger;
  ledger.restore(table, at({}));
  const auto refused = ledger.quarantine(RequestId(1), NodeId("more"), "", "", at(hours(1)));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::LimitExceeded);
  EXPECT_TRUE(ledger.quarantine(RequestId(2), NodeId("n5"), "", "", at(hours(1))));
}

TEST(BlockLedger, AnAnswerToAnotherWriteIsIgnored) {
  BlockLedger ledger;
  ASSERT_TRUE(ledger.quarantine(RequestId(1), id(1), "", "", at(hours(1))));
  ASSERT_TRUE(ledger.begin_write(at({})));
  EXPECT_TRUE(ledger.saved(7, std::nullopt, at({})).answers.empty());
  EXPECT_FALSE(ledger.blocks(id(1), ""));
}

TEST(BlockLedger, R4_4_ARenewedBlockIsNotRemovedByAnOlderUnblock) {
  BlockLedger ledger;
  BlockTable table;
  table[id(1)] = {id(1), "x", {}, at(hours(1)), true, {}};
  ledger.restore(table, at({}));
  ASSERT_TRUE(ledger.quarantine(RequestId(1), id(1), "x", "x", at(hours(24))));
  ledger.unblock(id(1));
  ASSERT_TRUE(ledger.begin_write(at(seconds(1))));
  ledger.saved(1, std::nullopt, at(seconds(1)));
  EXPECT_TRUE(ledger.blocks(id(1), "x"));
  EXPECT_TRUE(ledger.recovering().empty());
}

TEST(BlockLedger, AFailedWriteIsFollowedByOneOfWhatIsVisible) {
  BlockLedger ledger;
  ASSERT_TRUE(ledger.quarantine(RequestId(1), id(1), "", "", at(hours(1))));
  ASSERT_TRUE(ledger.begin_write(at({})));
  const auto saved = ledger.saved(1, disk_error(), at({}));
  ASSERT_EQ(saved.answers.size(), 1u);
  EXPECT_TRUE(saved.answers[0].error);
  EXPECT_FALSE(ledger.begin_write(at({}))) << "not in a hurry";
  EXPECT_EQ(ledger.deadline(at({})), at(kBlockWriteRetry));
  const auto again = ledger.begin_write(at(kBlockWriteRetry));
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->table.empty());
  ledger.saved(again->version, std::nullopt, at(kBlockWriteRetry));
  EXPECT_FALSE(ledger.begin_write(at(hours(1))));
}

// --- LeaveGuard ---------------------------------------------------------------------------------

TEST(LeaveGuard, TheShareIsOfTheMembersAtTheBeginningOfTheWindow) {
  LeaveGuardPolicy policy{true, 0.25, seconds(60)};
  LeaveGuard guard;
  EXPECT_FALSE(guard.exceeds(policy, 10, 100, at({})));
  guard.removed(10, at({}));
  EXPECT_FALSE(guard.exceeds(policy, 15, 90, at(seconds(1))));
  EXPECT_TRUE(guard.exceeds(policy, 16, 90, at(seconds(1))));
  EXPECT_FALSE(guard.exceeds(policy, 16, 90, at(seconds(60)))) << "the window has passed";
}

TEST(LeaveGuard, WhatItRemembersIsBoundedAndStillCountsEveryRemoval) {
  LeaveGuardPolicy policy{true, 0.5, std::chrono::hours(24)};
  LeaveGuard guard;
  for (int i = 0; i < 5000; ++i) guard.removed(1, MonoTime(seconds(i)));
  EXPECT_LE(guard.batches(), LeaveGuard::kMaxBatches);
  // 5,000 of 10,000 are gone: one more is above a half, none is not.
  EXPECT_FALSE(guard.exceeds(policy, 0, 5000, MonoTime(seconds(5000))));
  EXPECT_TRUE(guard.exceeds(policy, 1, 5000, MonoTime(seconds(5000))));
}

TEST(LeaveGuard, TheFirstExpiryIsThatOfTheOldestHeld) {
  LeaveGuardPolicy policy{true, 0.25, seconds(60)};
  LeaveGuard guard;
  guard.hold(id(1), {at(seconds(1)), ProviderId("p")});
  guard.hold(id(2), {at(seconds(5)), ProviderId("p")});
  guard.hold(id(1), {at(seconds(9)), ProviderId("p")});  // held already
  EXPECT_EQ(guard.next_expiry(policy), at(seconds(61)));
  guard.forget(id(1));
  EXPECT_EQ(guard.next_expiry(policy), at(seconds(65)));
  guard.forget(id(2));
  guard.forget(id(2));
  EXPECT_EQ(guard.next_expiry(policy), std::nullopt);
}

// --- LeaseBook ----------------------------------------------------------------------------------

Lease lease(const std::string& partition, std::size_t metadata = 0) {
  return {partition, NodeId("a"), 1, 0, std::string(metadata, 'x')};
}

TEST(LeaseBook, R3_3_TheLatestLeaseOfEachPartitionIsKept) {
  LeaseBook book;
  ASSERT_TRUE(book.publish(1, {lease("p1"), lease("p2")}));
  Lease moved = lease("p1");
  moved.owner = NodeId("b");
  ASSERT_TRUE(book.publish(7, {moved}));
  EXPECT_EQ(book.tick(), 7u);
  EXPECT_EQ(book.table()->size(), 2u);
  EXPECT_EQ(book.table()->find("p1")->owner, NodeId("b"));
  EXPECT_EQ(book.publish(7, {}).error().code, ErrorCode::OutOfOrder);
}

TEST(LeaseBook, S6_AllOrNothing) {
  LeaseBook book;
  const auto refused =
      book.publish(1, {lease("good"), lease(""), lease("big", 1024), lease("good")});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::InvalidConfig);
  EXPECT_EQ(refused.error().total_problems, 3u);
  EXPECT_EQ(book.table(), nullptr);
  EXPECT_EQ(book.tick(), 0u);
}

TEST(LeaseBook, S6_AtMostSixtyFiveThousandPartitions) {
  LeaseBook book;
  std::vector<Lease> leases;
  for (std::size_t i = 0; i < limits::kMaxLeases; ++i) leases.push_back(lease(std::to_string(i)));
  ASSERT_TRUE(book.publish(1, leases));
  EXPECT_EQ(book.publish(2, {lease("one more")}).error().code, ErrorCode::LimitExceeded);
  ASSERT_TRUE(book.publish(2, {lease("7")}));
  EXPECT_EQ(book.table()->size(), limits::kMaxLeases);
}

// --- Topology -----------------------------------------------------------------------------------

Member node(const std::string& name, const std::string& incarnation = "") {
  ClusterNode n;
  n.id = NodeId(name);
  n.host = "10.0.0.1";
  n.incarnation = incarnation;
  return make_member(n);
}
bool nobody(const NodeId&, const std::string&) { return false; }
bool always(std::size_t) { return true; }

TEST(Topology, AForgottenRemovalIsFoundAgainByTheNextAnswer) {
  Topology topology;
  topology.follow(MemberMap::from({node("a"), node("b")}), nobody, always);
  const auto held =
      topology.follow(MemberMap::from({node("a")}), nobody, [](std::size_t) { return false; });
  EXPECT_EQ(held.kept, std::vector<NodeId>{NodeId("b")});
  EXPECT_EQ(topology.members().size(), 2u);
  EXPECT_TRUE(topology.follow(MemberMap::from({node("a")}), nobody, always).change.empty());
  topology.forget_removal(NodeId("b"));
  const auto again = topology.follow(MemberMap::from({node("a")}), nobody, always);
  ASSERT_EQ(again.change.left.size(), 1u);
  EXPECT_EQ(topology.members().size(), 1u);
}

TEST(Topology, ANodeThatReturnsAfterLeavingHasNoKnownIncarnation) {
  Topology topology;
  topology.follow(MemberMap::from({node("a", "1")}), nobody, always);
  topology.follow(MemberMap(), nobody, always);
  topology.follow(MemberMap::from({node("a")}), nobody, always);
  EXPECT_EQ(topology.members().find(NodeId("a"))->node->incarnation, "");
}

}  // namespace
}  // namespace rollcall
