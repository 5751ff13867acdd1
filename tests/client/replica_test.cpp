// What a replica makes of a well-behaved log.
#include "bridges/client/replica/topology_replica.h"

#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "core/codec/canonical.h"
#include "tests/client/recorder.h"
#include "tests/client/scripted_log.h"

namespace rollcall::client::testing {
namespace {

class ReplicaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    log_.join(make_node("n1"));
    log_.join(make_node("n2"));
  }
  void follow() { feed(replica_, log_.snapshot()); }

  ScriptedLog log_;
  TopologyReplica replica_;
};

TEST_F(ReplicaTest, R3_1_TheFirstSnapshotTellsEveryMemberAsJoinedWithItsHash) {
  EXPECT_TRUE(replica_.resume_position().none());
  const auto notices = feed(replica_, log_.snapshot());
  const auto changes = all_of<TopologyChange>(notices);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_TRUE(changes[0].first);
  EXPECT_TRUE(changes[0].from_snapshot);
  EXPECT_EQ(ids(changes[0].joined), (std::vector<std::string>{"n1", "n2"}));
  EXPECT_EQ(changes[0].hash, log_.hash());
  EXPECT_EQ(all_of<RemoteChange>(notices).size(), 2u);
  EXPECT_EQ(all_of<Synced>(notices).size(), 1u);
  EXPECT_EQ(replica_.view().members.hash(), log_.hash());
  EXPECT_EQ(replica_.resume_position(), (Position{log_.epoch(), log_.seq_no()}));
}

TEST_F(ReplicaTest, R2_4_AnEmptyFirstTopologyIsToldAndPausesPlacement) {
  ScriptedLog empty;
  empty.availability(v1::AVAILABILITY_EMPTY, true, false);
  const auto notices = feed(replica_, empty.snapshot());
  const auto changes = all_of<TopologyChange>(notices);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_TRUE(changes[0].first);
  EXPECT_TRUE(changes[0].members.empty());
  EXPECT_TRUE(replica_.view().placement_paused);
  EXPECT_EQ(replica_.view().availability, Availability::Empty);
  // What pauses comes before the members (SPEC 5, order within one step).
  EXPECT_TRUE(std::holds_alternative<AvailabilityChange>(notices.front()));
}

TEST_F(ReplicaTest, R2_3_ADeltaAltersTheCopyAndNamesItsHash) {
  follow();
  const auto notices = feed(replica_, {log_.join(make_node("n3"))});
  const auto changes = all_of<TopologyChange>(notices);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_FALSE(changes[0].from_snapshot);
  EXPECT_EQ(ids(changes[0].joined), std::vector<std::string>{"n3"});
  EXPECT_EQ(changes[0].hash, log_.hash());
  EXPECT_EQ(changes[0].members.size(), 3u);
  EXPECT_EQ(replica_.view().position.seq_no, log_.seq_no());
}

TEST_F(ReplicaTest, ANewIncarnationIsLeftAndJoinedInOneDelta) {
  feed(replica_, {});
  log_.change(make_node("n1", "1"));
  follow();
  const auto notices = feed(replica_, {log_.rejoin(make_node("n1", "2"))});
  const auto changes = all_of<TopologyChange>(notices);
  ASSERT_EQ(changes.size(), 1u);
  ASSERT_EQ(changes[0].left.size(), 1u);
  EXPECT_EQ(changes[0].left[0].incarnation, "1");
  ASSERT_EQ(changes[0].joined.size(), 1u);
  EXPECT_EQ(changes[0].joined[0].node->incarnation, "2");
  EXPECT_TRUE(changes[0].changed.empty());
}

TEST_F(ReplicaTest, ANewIncarnationThatASnapshotShowsIsLeftAndJoinedToo) {
  log_.change(make_node("n1", "1"));
  follow();
  log_.rejoin(make_node("n1", "2"));
  const auto notices = feed(replica_, log_.snapshot());
  const auto changes = all_of<TopologyChange>(notices);
  ASSERT_EQ(changes.size(), 1u);
  ASSERT_EQ(changes[0].left.size(), 1u);
  EXPECT_EQ(changes[0].left[0].incarnation, "1");
  EXPECT_EQ(ids(changes[0].joined), std::vector<std::string>{"n1"});
  const auto remotes = all_of<RemoteChange>(notices);
  ASSERT_EQ(remotes.size(), 2u);
  EXPECT_EQ(remotes[0].kind, RemoteKind::Leave);
  EXPECT_EQ(remotes[1].kind, RemoteKind::Join);
}

TEST_F(ReplicaTest, AnIncarnationDeclaredForTheFirstTimeIsAChangeOnly) {
  follow();
  log_.change(make_node("n1", "1"));
  const auto notices = feed(replica_, log_.snapshot());
  const auto changes = all_of<TopologyChange>(notices);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_TRUE(changes[0].left.empty());
  EXPECT_EQ(ids(changes[0].changed), std::vector<std::string>{"n1"});
  EXPECT_TRUE(all_of<RemoteChange>(notices).empty());
}

TEST_F(ReplicaTest, R4_1_ASnapshotTellsJoinsAndLeavesThatWereMissed) {
  follow();
  log_.leave("n1");
  log_.join(make_node("n3"));
  const auto notices = feed(replica_, log_.snapshot());
  const auto remotes = all_of<RemoteChange>(notices);
  ASSERT_EQ(remotes.size(), 2u);
  EXPECT_EQ(remotes[0].kind, RemoteKind::Leave);
  EXPECT_EQ(remotes[0].node.id(), NodeId("n1"));
  EXPECT_TRUE(remotes[0].from_snapshot);
  EXPECT_EQ(remotes[1].kind, RemoteKind::Join);
  EXPECT_EQ(remotes[1].node.id(), NodeId("n3"));
}

TEST_F(ReplicaTest, R4_1_RemotingIsToldOnceWhenASnapshotFallsBetweenDeltaAndEvent) {
  follow();
  log_.join(make_node("n3"));
  auto notices = feed(replica_, log_.snapshot());
  EXPECT_EQ(all_of<RemoteChange>(notices).size(), 1u);
  // The event that belongs to that delta comes after the snapshot: known already.
  notices = feed(replica_, {log_.remote(v1::REMOTE_KIND_JOIN, make_node("n3"))});
  EXPECT_TRUE(all_of<RemoteChange>(notices).empty());
  EXPECT_EQ(replica_.view().position.seq_no, log_.seq_no());
}

TEST_F(ReplicaTest, R4_1_RemotingIsToldOnceWhenTheEventWasLostToASnapshot) {
  follow();
  auto notices = feed(replica_, {log_.join(make_node("n3"))});
  EXPECT_TRUE(all_of<RemoteChange>(notices).empty());
  log_.remote(v1::REMOTE_KIND_JOIN, make_node("n3"));  // never arrives
  notices = feed(replica_, log_.snapshot());
  EXPECT_TRUE(all_of<TopologyChange>(notices).empty());
  ASSERT_EQ(all_of<RemoteChange>(notices).size(), 1u);
  EXPECT_EQ(all_of<RemoteChange>(notices)[0].node.id(), NodeId("n3"));
}

TEST_F(ReplicaTest, R4_2_BlocksAreToldByEventAndBySnapshot) {
  follow();
  auto notices = feed(replica_, {log_.change(make_node("n1"), true),
                                 log_.remote(v1::REMOTE_KIND_BLOCKED, make_node("n1"), true)});
  ASSERT_EQ(all_of<RemoteChange>(notices).size(), 1u);
  EXPECT_EQ(all_of<RemoteChange>(notices)[0].kind, RemoteKind::Blocked);
  EXPECT_TRUE(replica_.view().members.find(NodeId("n1"))->blocked);
  log_.change(make_node("n1"), false);
  notices = feed(replica_, log_.snapshot());
  ASSERT_EQ(all_of<RemoteChange>(notices).size(), 1u);
  EXPECT_EQ(all_of<RemoteChange>(notices)[0].kind, RemoteKind::Unblocked);
}

TEST_F(ReplicaTest, OnlySnapshotAndDeltaAlterTheMembers) {
  follow();
  const MemberMap before = replica_.view().members;
  feed(replica_, {log_.availability(v1::AVAILABILITY_UNAVAILABLE, true, true),
                  log_.provider_changed("p", "q"), log_.terminated("p", "TIMEOUT"),
                  log_.health("q", v1::HEALTH_DEGRADED, v1::ADVICE_AVOID_NEW_CHANNELS),
                  log_.leases(1, {"a", "b"}), log_.unknown(),
                  log_.remote(v1::REMOTE_KIND_LEAVE, make_node("n1"))});
  EXPECT_TRUE(replica_.view().members.same_version(before));
  EXPECT_EQ(replica_.view().position.seq_no, log_.seq_no());
}

TEST_F(ReplicaTest, R3_4_ProviderChangedMovesTheViewAndItsHealth) {
  follow();
  const auto notices =
      feed(replica_, {log_.health("p", v1::HEALTH_DEGRADED, v1::ADVICE_AVOID_NEW_CHANNELS)});
  EXPECT_EQ(replica_.view().advice, Advice::AvoidNewChannels);
  const auto after = feed(replica_, {log_.provider_changed("p", "q")});
  const auto changes = all_of<ProviderChange>(after);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].reason, FailoverReason::Timeout);
  EXPECT_EQ(replica_.view().provider_id, ProviderId("q"));
  EXPECT_EQ(replica_.view().health, HealthState::Healthy);
  EXPECT_EQ(replica_.view().advice, Advice::None);
}

TEST_F(ReplicaTest, R4_3_AWarningOfAStandbyIsToldAndDoesNotTouchTheActiveOnesHealth) {
  follow();
  const auto notices =
      feed(replica_, {log_.health("standby", v1::HEALTH_UNREACHABLE, v1::ADVICE_PROVIDER_HELD)});
  ASSERT_EQ(all_of<HealthChange>(notices).size(), 1u);
  EXPECT_EQ(replica_.view().health, HealthState::Healthy);
}

TEST_F(ReplicaTest, R5_3_AvailabilityIsHeldAndASnapshotTellsOnlyADifference) {
  follow();
  feed(replica_, {log_.availability(v1::AVAILABILITY_UNAVAILABLE, true, true)});
  EXPECT_TRUE(replica_.view().placement_paused);
  EXPECT_TRUE(replica_.view().stale);
  log_.availability(v1::AVAILABILITY_AVAILABLE, false, false);
  auto notices = feed(replica_, log_.snapshot());
  EXPECT_EQ(all_of<AvailabilityChange>(notices).size(), 1u);
  EXPECT_FALSE(replica_.view().placement_paused);
  notices = feed(replica_, log_.snapshot());
  EXPECT_TRUE(all_of<AvailabilityChange>(notices).empty());
}

TEST_F(ReplicaTest, R3_5_DrainingIsHeld) {
  follow();
  feed(replica_, {log_.availability(v1::AVAILABILITY_DRAINING, false, false)});
  EXPECT_TRUE(replica_.view().draining);
  EXPECT_EQ(replica_.view().members.size(), 2u);
}

TEST_F(ReplicaTest, R3_3_LeasesAreKeptAndReplacedByASnapshotsTable) {
  follow();
  auto notices = feed(replica_, {log_.leases(7, {"a", "b"})});
  ASSERT_EQ(all_of<LeasesChange>(notices).size(), 1u);
  EXPECT_FALSE(all_of<LeasesChange>(notices)[0].whole_table);
  EXPECT_EQ(replica_.view().lease_tick, 7u);
  EXPECT_EQ(replica_.leases().size(), 2u);
  notices = feed(replica_, log_.snapshot());  // whose table is empty
  ASSERT_EQ(all_of<LeasesChange>(notices).size(), 1u);
  EXPECT_TRUE(all_of<LeasesChange>(notices)[0].whole_table);
  EXPECT_TRUE(replica_.leases().empty());
}

TEST_F(ReplicaTest, AnUnknownEventOnlyAdvancesTheSequence) {
  follow();
  const auto step = replica_.apply(log_.unknown());
  EXPECT_EQ(step.verdict, Verdict::Applied);
  EXPECT_TRUE(step.notices.empty());
  EXPECT_EQ(replica_.apply(log_.join(make_node("n3"))).verdict, Verdict::Applied);
}

TEST_F(ReplicaTest, ChunksCountWhenTheLastHasCome) {
  for (int i = 0; i < 25; ++i) log_.join(make_node("m" + std::to_string(i)));
  const auto chunks = log_.snapshot(10);
  ASSERT_EQ(chunks.size(), 3u);
  EXPECT_TRUE(replica_.apply(chunks[0]).notices.empty());
  EXPECT_TRUE(replica_.apply(chunks[1]).notices.empty());
  EXPECT_FALSE(replica_.view().has_topology());
  EXPECT_FALSE(replica_.apply(chunks[2]).notices.empty());
  EXPECT_EQ(replica_.view().members.size(), 27u);
}

TEST_F(ReplicaTest, AResetKeepsWhatIsHeldUntilTheSnapshot) {
  follow();
  const Position before = replica_.view().position;
  MemberMap other;
  other = other.with(make_member(make_node("z")));
  EXPECT_EQ(replica_.apply(log_.reset(other)).verdict, Verdict::Applied);
  EXPECT_EQ(replica_.view().phase, Phase::AwaitingSnapshot);
  EXPECT_EQ(replica_.view().members.size(), 2u);
  // Resuming meets the reset again, so nothing is lost if the stream breaks here.
  EXPECT_EQ(replica_.resume_position(), before);
  const auto notices = feed(replica_, log_.snapshot());
  ASSERT_EQ(all_of<TopologyChange>(notices).size(), 1u);
  EXPECT_EQ(all_of<TopologyChange>(notices)[0].left.size(), 2u);
  EXPECT_EQ(ids(all_of<TopologyChange>(notices)[0].joined), std::vector<std::string>{"z"});
  EXPECT_EQ(replica_.view().phase, Phase::Following);
}

TEST_F(ReplicaTest, ANewEpochStartsAfreshAndTellsDifferencesOnly) {
  follow();
  log_.restart();
  log_.availability(v1::AVAILABILITY_AVAILABLE, false, false);
  auto notices = feed(replica_, log_.snapshot());
  EXPECT_TRUE(all_of<TopologyChange>(notices).empty());
  EXPECT_TRUE(all_of<RemoteChange>(notices).empty());
  EXPECT_EQ(replica_.view().position, (Position{log_.epoch(), log_.seq_no()}));
  log_.restart();
  log_.leave("n2");
  notices = feed(replica_, log_.snapshot());
  ASSERT_EQ(all_of<TopologyChange>(notices).size(), 1u);
  EXPECT_FALSE(all_of<TopologyChange>(notices)[0].first);
  EXPECT_EQ(all_of<TopologyChange>(notices)[0].left.size(), 1u);
}

TEST_F(ReplicaTest, ABookmarkSaysThatTheCopyIsUpToDate) {
  follow();
  const auto notices = feed(replica_, {log_.bookmark()});
  ASSERT_EQ(all_of<Synced>(notices).size(), 1u);
  EXPECT_FALSE(all_of<Synced>(notices)[0].from_snapshot);
}

TEST_F(ReplicaTest, AnExportedStateGoesOnWhereItWas) {
  follow();
  feed(replica_, {log_.leases(3, {"a"})});
  const std::string saved = replica_.export_state();
  TopologyReplica other;
  ASSERT_TRUE(other.import_state(saved));
  EXPECT_EQ(other.resume_position(), replica_.resume_position());
  EXPECT_EQ(other.view().members.hash(), log_.hash());
  EXPECT_EQ(other.leases().size(), 1u);
  EXPECT_EQ(other.view().lease_tick, 3u);
  const auto notices = feed(other, {log_.join(make_node("n3"))});
  ASSERT_EQ(all_of<TopologyChange>(notices).size(), 1u);
  EXPECT_FALSE(all_of<TopologyChange>(notices)[0].first);
}

TEST_F(ReplicaTest, AStateThatIsNotWholeIsRefused) {
  follow();
  const std::string saved = replica_.export_state();
  for (const std::size_t cut : {std::size_t{0}, saved.size() / 2, saved.size() - 1}) {
    TopologyReplica other;
    const auto result = other.import_state(std::string_view(saved).substr(0, cut));
    ASSERT_FALSE(result) << cut;
    EXPECT_EQ(result.error().code, ErrorCode::StoreCorrupted);
    EXPECT_TRUE(other.resume_position().none());
  }
  EXPECT_EQ(replica_.import_state(saved).error().code, ErrorCode::OutOfOrder);
}

TEST_F(ReplicaTest, APositionOnlyReplicaNumbersAndKeepsNothing) {
  TopologyReplica light(TopologyReplica::Keep::Position);
  ASSERT_TRUE(light.resume_at({log_.epoch(), log_.seq_no()}));
  EXPECT_EQ(light.apply(log_.join(make_node("n3"))).verdict, Verdict::Applied);
  EXPECT_EQ(light.resume_position().seq_no, log_.seq_no());
  EXPECT_TRUE(light.view().members.empty());
  log_.join(make_node("n4"));
  EXPECT_EQ(light.apply(log_.join(make_node("n5"))).verdict, Verdict::Resync);
  EXPECT_TRUE(light.resume_position().none());
  feed(light, log_.snapshot());
  EXPECT_EQ(light.resume_position().seq_no, log_.seq_no());
}

TEST_F(ReplicaTest, APositionAheadOfTheLogGivesWayToTheSnapshot) {
  TopologyReplica light(TopologyReplica::Keep::Position);
  ASSERT_TRUE(light.resume_at({log_.epoch(), SeqNo(log_.seq_no().value() + 10)}));
  feed(light, log_.snapshot());
  EXPECT_EQ(light.resume_position(), (Position{log_.epoch(), log_.seq_no()}));
  EXPECT_EQ(light.apply(log_.join(make_node("n3"))).verdict, Verdict::Applied);
}

// SPEC 5: any version whose successors are still in the log. The consumer's copy begins with it.
TEST_F(ReplicaTest, APositionFollowsAnOlderSnapshotToo) {
  const auto older = log_.snapshot();
  TopologyReplica light(TopologyReplica::Keep::Position);
  ASSERT_TRUE(light.resume_at({log_.epoch(), log_.seq_no()}));
  const auto third = log_.join(make_node("n3"));
  EXPECT_EQ(light.apply(third).verdict, Verdict::Applied);
  log_.join(make_node("n4"));
  EXPECT_EQ(light.apply(log_.join(make_node("n5"))).verdict, Verdict::Resync);
  feed(light, older);
  EXPECT_EQ(light.apply(third).verdict, Verdict::Applied) << "it is not in the snapshot";
}

}  // namespace
}  // namespace rollcall::client::testing
