// What a replica makes of a log that is wrong.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bridges/client/replica/topology_replica.h"
#include "bridges/client/replica/wire.h"
#include "core/codec/canonical.h"
#include "core/limits.h"
#include "tests/client/recorder.h"
#include "tests/client/scripted_log.h"

namespace rollcall::client::testing {
namespace {

class HostileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 5; ++i) log_.join(make_node("n" + std::to_string(i)));
    feed(replica_, log_.snapshot());
    ASSERT_EQ(replica_.view().phase, Phase::Following);
  }
  // The copy is what it was, and a snapshot is asked for.
  void expect_resync(const Step& step, TroubleKind kind) {
    EXPECT_EQ(step.verdict, Verdict::Resync);
    ASSERT_FALSE(step.notices.empty());
    EXPECT_EQ(std::get<Trouble>(step.notices.back()).kind, kind);
    EXPECT_TRUE(replica_.resume_position().none());
    EXPECT_EQ(replica_.view().phase, Phase::AwaitingSnapshot);
  }

  ScriptedLog log_;
  TopologyReplica replica_;
};

TEST_F(HostileTest, ADuplicateIsAppliedOnce) {
  const auto event = log_.join(make_node("n9"));
  EXPECT_EQ(replica_.apply(event).verdict, Verdict::Applied);
  const auto again = replica_.apply(event);
  EXPECT_EQ(again.verdict, Verdict::Ignored);
  EXPECT_TRUE(again.notices.empty());
  EXPECT_EQ(replica_.view().members.size(), 6u);
}

TEST_F(HostileTest, AGapKeepsTheCopyAndAsksForASnapshot) {
  const auto before = replica_.view().members;
  log_.join(make_node("lost"));
  expect_resync(replica_.apply(log_.join(make_node("n9"))), TroubleKind::Gap);
  EXPECT_TRUE(replica_.view().members.same_version(before));
  // What still comes of the old stream is of no use.
  EXPECT_EQ(replica_.apply(log_.join(make_node("n10"))).verdict, Verdict::Ignored);
  EXPECT_EQ(replica_.apply(log_.bookmark()).verdict, Verdict::Ignored);
  const auto notices = feed(replica_, log_.snapshot());
  EXPECT_EQ(ids(all_of<TopologyChange>(notices)[0].joined),
            (std::vector<std::string>{"lost", "n10", "n9"}));
}

TEST_F(HostileTest, ABookmarkWhereASnapshotWasDueAsksAgain) {
  replica_.apply(log_.reset(MemberMap{}));
  expect_resync(replica_.apply(log_.bookmark()), TroubleKind::Gap);
  replica_.stream_opened();
  expect_resync(replica_.apply(log_.bookmark()), TroubleKind::Gap);
}

TEST_F(HostileTest, ABookmarkAheadOfTheCopyIsAGap) {
  log_.join(make_node("lost"));
  expect_resync(replica_.apply(log_.bookmark()), TroubleKind::Gap);
}

TEST_F(HostileTest, AnEventOfAnotherEpochWithoutItsSnapshotIsAGap) {
  log_.restart();
  expect_resync(replica_.apply(log_.join(make_node("n9"))), TroubleKind::Gap);
}

TEST_F(HostileTest, AFreshReplicaWantsASnapshotFirst) {
  TopologyReplica fresh;
  EXPECT_EQ(fresh.apply(log_.join(make_node("n9"))).verdict, Verdict::Resync);
  EXPECT_EQ(fresh.view().phase, Phase::Empty);
  EXPECT_EQ(fresh.apply(log_.bookmark()).verdict, Verdict::Resync);
}

TEST_F(HostileTest, ADeltaWithAWrongHashIsNotAdopted) {
  auto event = log_.join(make_node("n9"));
  event.set_snapshot_hash(event.snapshot_hash() + 1);
  expect_resync(replica_.apply(event), TroubleKind::HashMismatch);
  EXPECT_EQ(replica_.view().members.find(NodeId("n9")), nullptr);
  EXPECT_EQ(replica_.view().verification, Verification::On);
}

TEST_F(HostileTest, R2_3_ADeltaThatInvalidatesAnotherHashIsNotAdopted) {
  auto event = log_.join(make_node("n9"));
  event.mutable_delta()->set_invalidates_hash(1);
  expect_resync(replica_.apply(event), TroubleKind::HashMismatch);
}

TEST_F(HostileTest, AnyEventProvesTheCopy) {
  auto event = log_.leases(1, {"a"});
  event.set_snapshot_hash(1);
  expect_resync(replica_.apply(event), TroubleKind::HashMismatch);
  EXPECT_TRUE(replica_.leases().empty());
}

TEST_F(HostileTest, ABookmarkWithAWrongHashIsAMismatch) {
  auto bookmark = log_.bookmark();
  bookmark.set_snapshot_hash(1);
  expect_resync(replica_.apply(bookmark), TroubleKind::HashMismatch);
}

TEST_F(HostileTest, AfterTwoMismatchesItStopsVerifyingAndSaysSo) {
  auto event = log_.join(make_node("n9"));
  event.set_snapshot_hash(1);
  replica_.apply(event);
  auto chunks = log_.snapshot();
  chunks[0].set_snapshot_hash(2);
  const auto notices = feed(replica_, chunks);
  EXPECT_EQ(troubles(notices),
            (std::vector{TroubleKind::HashMismatch, TroubleKind::VerificationStopped}));
  EXPECT_EQ(replica_.view().verification, Verification::Stopped);
  EXPECT_EQ(replica_.view().phase, Phase::Following);
  EXPECT_EQ(replica_.view().members.size(), 6u);
  // From here on the log is believed.
  auto next = log_.join(make_node("n10"));
  next.set_snapshot_hash(3);
  EXPECT_EQ(replica_.apply(next).verdict, Verdict::Applied);
  EXPECT_EQ(replica_.view().members.size(), 7u);
  // Another life of the sidecar is believed to be right again.
  log_.restart();
  feed(replica_, log_.snapshot());
  EXPECT_EQ(replica_.view().verification, Verification::On);
}

TEST_F(HostileTest, MismatchesOfAnImportedCopyCountFromTheFirst) {
  TopologyReplica imported;
  ASSERT_TRUE(imported.import_state(replica_.export_state()));
  auto event = log_.join(make_node("n9"));
  event.set_snapshot_hash(1);
  EXPECT_EQ(imported.apply(event).verdict, Verdict::Resync);
  feed(imported, log_.snapshot());
  EXPECT_EQ(imported.view().verification, Verification::On);
  auto second = log_.join(make_node("n10"));
  second.set_snapshot_hash(1);
  EXPECT_EQ(imported.apply(second).verdict, Verdict::Applied);
  EXPECT_EQ(imported.view().verification, Verification::Stopped);
}

TEST_F(HostileTest, AnUnknownHashVersionIsNotVerified) {
  auto chunks = log_.snapshot();
  chunks[0].mutable_snapshot()->set_hash_version(2);
  chunks[0].set_snapshot_hash(77);
  const auto notices = feed(replica_, chunks);
  EXPECT_EQ(troubles(notices), std::vector{TroubleKind::UnknownHashVersion});
  EXPECT_EQ(replica_.view().verification, Verification::UnknownVersion);
  auto event = log_.join(make_node("n9"));
  event.set_snapshot_hash(78);
  event.mutable_delta()->set_invalidates_hash(77);
  EXPECT_EQ(replica_.apply(event).verdict, Verdict::Applied);
  feed(replica_, log_.snapshot());
  EXPECT_EQ(replica_.view().verification, Verification::On);
}

TEST_F(HostileTest, ChunksThatDoNotFollowOneAnotherAreDropped) {
  for (int i = 0; i < 30; ++i) log_.join(make_node("m" + std::to_string(i)));
  const auto chunks = log_.snapshot(10);
  replica_.apply(chunks[0]);
  expect_resync(replica_.apply(chunks[2]), TroubleKind::Malformed);
  EXPECT_EQ(replica_.view().members.size(), 5u);
}

TEST_F(HostileTest, ChunkZeroDiscardsAnUnfinishedSnapshot) {
  for (int i = 0; i < 30; ++i) log_.join(make_node("m" + std::to_string(i)));
  const auto old_chunks = log_.snapshot(10);
  replica_.apply(old_chunks[0]);
  replica_.apply(old_chunks[1]);
  log_.leave("m3");
  feed(replica_, log_.snapshot(10));
  EXPECT_EQ(replica_.view().phase, Phase::Following);
  EXPECT_EQ(replica_.view().members.hash(), log_.hash());
}

TEST_F(HostileTest, AnEpochThatChangesInTheMiddleOfASnapshotMixesNothing) {
  for (int i = 0; i < 30; ++i) log_.join(make_node("m" + std::to_string(i)));
  const auto old_chunks = log_.snapshot(10);
  log_.restart();
  const auto new_chunks = log_.snapshot(10);
  replica_.apply(old_chunks[0]);
  expect_resync(replica_.apply(new_chunks[1]), TroubleKind::Malformed);
  replica_.apply(old_chunks[0]);
  feed(replica_, new_chunks);
  EXPECT_EQ(replica_.view().position.epoch, log_.epoch());
  EXPECT_EQ(replica_.view().members.size(), 35u);
}

TEST_F(HostileTest, ANewStreamDropsAnUnfinishedSnapshot) {
  for (int i = 0; i < 30; ++i) log_.join(make_node("m" + std::to_string(i)));
  const auto chunks = log_.snapshot(10);
  replica_.apply(chunks[0]);
  replica_.stream_opened();
  expect_resync(replica_.apply(chunks[1]), TroubleKind::Malformed);
}

TEST_F(HostileTest, ASnapshotThatCountsWronglyIsMalformed) {
  auto chunks = log_.snapshot();
  chunks[0].mutable_snapshot()->set_total_members(6);
  expect_resync(replica_.apply(chunks[0]), TroubleKind::Malformed);
}

TEST_F(HostileTest, TwoMembersOfOneIdInASnapshotAreMalformed) {
  auto chunks = log_.snapshot();
  auto& chunk = *chunks[0].mutable_snapshot();
  *chunk.add_members() = chunk.members(0);
  chunk.set_total_members(6);
  expect_resync(replica_.apply(chunks[0]), TroubleKind::Malformed);
}

TEST_F(HostileTest, AMemberThatCannotBeHeldShowsAsAMismatch) {
  auto event = log_.join(make_node("n9"));
  event.mutable_delta()->mutable_joined(0)->set_port(70'000);
  const auto step = replica_.apply(event);
  expect_resync(step, TroubleKind::HashMismatch);
  EXPECT_NE(std::get<Trouble>(step.notices[0]).message.find("1 members could not be held"),
            std::string::npos);
}

TEST_F(HostileTest, AnOlderSnapshotNeverTakesTheConsumerBack) {
  const Position old_position = replica_.view().position;
  const MemberMap old_members = log_.members();
  const auto a = log_.join(make_node("a"));
  const auto b = log_.leave("n0");
  feed(replica_, {a, b});
  auto bad = log_.join(make_node("c"));
  const auto good = bad;
  bad.set_snapshot_hash(1);
  EXPECT_EQ(replica_.apply(bad).verdict, Verdict::Resync);
  // The sidecar answers with a version from before a and b, and what follows it.
  auto notices = feed(
      replica_, ScriptedLog::snapshot_of(old_position.epoch, old_position.seq_no, old_members));
  EXPECT_EQ(replica_.view().phase, Phase::CatchingUp);
  EXPECT_EQ(replica_.resume_position(), old_position);
  EXPECT_EQ(replica_.view().members.size(), 5u);  // still with a, without n0
  for (const auto& event : {a, b}) {
    Step step = replica_.apply(event);
    EXPECT_EQ(step.verdict, Verdict::Ignored);  // told before
    for (auto& notice : step.notices) notices.push_back(std::move(notice));
  }
  EXPECT_EQ(replica_.view().phase, Phase::Following);
  EXPECT_TRUE(all_of<TopologyChange>(notices).empty());
  EXPECT_TRUE(all_of<RemoteChange>(notices).size() <= 2u);
  EXPECT_EQ(all_of<Synced>(notices).size(), 1u);
  notices = feed(replica_, {good});
  EXPECT_EQ(ids(all_of<TopologyChange>(notices)[0].joined), std::vector<std::string>{"c"});
  EXPECT_EQ(replica_.view().members.hash(), log_.hash());
}

TEST_F(HostileTest, OneMemberOfAHundredThousandCostsLittle) {
  // Counted in versions shared, not in time: the delta must not touch the other members' nodes.
  ScriptedLog log;
  std::vector<Member> many;
  for (int i = 0; i < 100'000; ++i) many.push_back(make_member(make_node(std::to_string(i))));
  log.set_members(MemberMap::from(std::move(many)));
  log.unknown();
  TopologyReplica replica;
  feed(replica, log.snapshot(5'000));
  const MemberMap before = replica.view().members;
  const Member* untouched = before.find(NodeId("50000"));
  for (int i = 0; i < 200; ++i) {
    feed(replica, {log.change(make_node("777", std::to_string(i)))});
  }
  EXPECT_EQ(replica.view().members.hash(), log.hash());
  EXPECT_EQ(replica.view().members.find(NodeId("50000"))->node, untouched->node);
  EXPECT_EQ(MemberMap::diff(before, replica.view().members).changed.size(), 1u);
}

}  // namespace
}  // namespace rollcall::client::testing
