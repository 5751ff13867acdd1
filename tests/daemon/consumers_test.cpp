// Placement, partition and remoting over the wire (R2, R3, R4), with in-memory and file providers.

#include <gtest/gtest.h>

#include "tests/backends/assert_done.h"
#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {
namespace {

using client::Acknowledge;
using client::Bridge;
using client::PartitionClient;
using client::PlacementClient;
using client::RemotingClient;
using client::SnapshotRequest;

class Consumers : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
  }
  std::string members_path() { return (daemon_.directory() / "members.json").string(); }
  // `file` above `default`, both with the same members.
  void two_providers(const std::vector<ClusterNode>& nodes) {
    for (const ClusterNode& n : nodes)
      ASSERT_DONE(daemon_.admin().join_member(n, ProviderId("default")));
    replace_file(members_path(), member_file(nodes));
    ASSERT_DONE(daemon_.admin().register_provider(file_provider("file", 10, members_path())));
    ASSERT_TRUE(eventually(kHungProgram, [&] {
      const auto status = daemon_.admin().get_status();
      return status && status->active_provider() == "file";
    }));
  }
  DaemonProcess daemon_;
};

TEST_F(Consumers, R3_1_PartitionMayWaitForPlacementsAcknowledgement) {
  ASSERT_DONE(daemon_.admin().join_member(member("n1")));
  PartitionClient partition(daemon_.channel());
  SnapshotRequest request;
  request.wait_for_placement = true;
  request.wait = std::chrono::milliseconds(50);
  const auto nobody = partition.latest_snapshot(request);
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, ErrorCode::Timeout) << nobody.error().message;

  RecordingConsumer placement(daemon_, {Bridge::Placement, "placement-1", Acknowledge::Automatic});
  ASSERT_TRUE(placement.wait_for_members({"n1"}));
  request.wait = std::chrono::milliseconds(60'000);
  const auto snapshot = partition.latest_snapshot(request);
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_EQ(snapshot->view().members.size(), 1u);
  EXPECT_TRUE(eventually(kHungProgram, [&] {
    const auto status = daemon_.admin().get_status();
    return status && status->consumers_size() == 1 &&
           status->consumers(0).acknowledged_seq() >= snapshot->view().position.seq_no.value();
  }));
}

TEST_F(Consumers, R3_1_AnAcknowledgementAheadOfTheLogIsOutOfOrder) {
  ASSERT_DONE(daemon_.admin().join_member(member("n1")));
  RecordingConsumer placement(daemon_, {Bridge::Placement, "placement-1", Acknowledge::Manual});
  ASSERT_TRUE(placement.wait_for_members({"n1"}));
  PlacementClient client(daemon_.channel(), "placement-1");
  auto ahead = placement.view().position;
  ahead.seq_no = SeqNo(ahead.seq_no.value() + 1000);
  EXPECT_EQ(client.acknowledge(ahead).error().code, ErrorCode::OutOfOrder);
  auto other = placement.view().position;
  other.epoch = Epoch(other.epoch.value() + 1);
  EXPECT_EQ(client.acknowledge(other).error().code, ErrorCode::OutOfOrder);
}

TEST_F(Consumers, R3_2_PartitionGetsTheSnapshotOrTheReason) {
  const auto empty = PartitionClient(daemon_.channel()).latest_snapshot();
  ASSERT_TRUE(empty) << empty.error().message;  // confirmed empty is an answer
  EXPECT_EQ(empty->view().availability, Availability::Empty);

  DaemonProcess::Options none;
  none.config = "cluster: prod\n";  // a configuration without providers: no embedded default
  DaemonProcess bare(none);
  ASSERT_TRUE(bare.start());
  const auto refused = PartitionClient(bare.channel()).latest_snapshot();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::NoSnapshot) << refused.error().message;
  const auto foreign = PartitionClient(daemon_.channel()).latest_snapshot({"prod", false, {}});
  ASSERT_FALSE(foreign);
}

TEST_F(Consumers, R3_3_OwnershipReachesPartitionInOneTick) {
  ASSERT_DONE(daemon_.admin().join_member(member("n1")));
  RecordingConsumer placement(daemon_, {Bridge::Placement, "placement-1"});
  RecordingConsumer partition(daemon_, {Bridge::Partition, "partition-1"});
  ASSERT_TRUE(
      placement.wait_for([&] { return placement.view().availability == Availability::Available; }));
  PlacementClient client(daemon_.channel(), "placement-1");
  const Lease lease{"p1", NodeId("n1"), 7, 0, "meta"};
  const auto seq = client.publish_ownership(1, placement.view().position, {lease});
  ASSERT_TRUE(seq) << seq.error().message;
  EXPECT_TRUE(partition.wait_for_event([&](const auto& e) {
    return e.has_lease_updated() && e.seq_no() == seq->value() &&
           e.lease_updated().leases(0).owner() == "n1";
  })) << partition.describe();
  EXPECT_EQ(client.publish_ownership(1, placement.view().position, {lease}).error().code,
            ErrorCode::OutOfOrder);
  ASSERT_DONE(daemon_.admin().join_member(member("n2")));
  ASSERT_TRUE(partition.wait_for_members({"n1", "n2"}));
  client::Position old{placement.view().position.epoch, *seq};
  EXPECT_EQ(client.publish_ownership(2, old, {lease}).error().code, ErrorCode::OutOfOrder);
}

TEST_F(Consumers, R2_5_LosingTheActiveProviderSwitchesWithoutAFalseLeave) {
  two_providers({member("n1"), member("n2")});
  RecordingConsumer consumer(daemon_, {Bridge::Remoting, "remoting-1"});
  ASSERT_TRUE(consumer.wait_for_members({"n1", "n2"}));
  ASSERT_DONE(daemon_.admin().remove_provider(ProviderId("file")));
  EXPECT_TRUE(consumer.wait_for_event([](const auto& e) {
    return e.has_provider_changed() && e.provider_changed().to_provider_id() == "default";
  })) << consumer.describe();
  EXPECT_TRUE(consumer.events(v1::ClusterEvent::kDelta).empty()) << consumer.describe();
  EXPECT_TRUE(consumer.events(v1::ClusterEvent::kRemoteTopology).empty()) << consumer.describe();
}

TEST_F(Consumers, R3_4_TheChangeOfProviderComesBeforeItsMembers) {
  two_providers({member("n1")});
  ASSERT_DONE(daemon_.admin().join_member(member("n9"), ProviderId("default")));
  RecordingConsumer consumer(daemon_, {Bridge::Placement, "placement-1"});
  ASSERT_TRUE(consumer.wait_for_members({"n1"}));
  ASSERT_DONE(daemon_.admin().switch_provider(ProviderId("default")));
  ASSERT_TRUE(consumer.wait_for_members({"n1", "n9"}));
  bool changed = false;
  for (const auto& e : consumer.events()) {
    changed =
        changed || (e.has_provider_changed() && e.provider_changed().to_provider_id() == "default");
    if (!e.has_delta()) continue;
    EXPECT_TRUE(changed) << consumer.describe();
  }
}

TEST_F(Consumers, AFileThatIsBrokenKeepsTheLastGoodTopology) {
  two_providers({member("n1")});
  RecordingConsumer consumer(daemon_, {Bridge::Placement, "placement-1"});
  ASSERT_TRUE(consumer.wait_for_members({"n1"}));
  replace_file(members_path(), "[{\"id\": \"n1\", \"ho");  // half written
  EXPECT_TRUE(eventually(kHungProgram, [&] {
    const auto state = daemon_.admin().get_provider(ProviderId("file"));
    return state && !state->last_error_code().empty() && state->consecutive_errors() > 0;
  }));
  EXPECT_EQ(consumer.view().members.size(), 1u);
  EXPECT_TRUE(consumer.events(v1::ClusterEvent::kDelta).empty()) << consumer.describe();
  replace_file(members_path(), member_file({member("n1"), member("n2")}));
  EXPECT_TRUE(consumer.wait_for_members({"n1", "n2"})) << consumer.describe();
}

TEST_F(Consumers, R4_2_AQuarantineIsSeenByAllAndSurvivesARestart) {
  ASSERT_DONE(daemon_.admin().join_member(member("n1")));
  RecordingConsumer placement(daemon_, {Bridge::Placement, "placement-1"});
  ASSERT_TRUE(placement.wait_for_members({"n1"}));
  const auto blocked =
      RemotingClient(daemon_.channel(), "remoting-1").report_quarantined(NodeId("n1"));
  ASSERT_TRUE(blocked) << blocked.error().message;
  EXPECT_TRUE(*blocked);
  EXPECT_TRUE(placement.wait_for([&] {
    const Member* m = placement.view().members.find(NodeId("n1"));
    return m != nullptr && m->blocked;
  })) << placement.describe();
  daemon_.kill();
  ASSERT_TRUE(daemon_.start());
  const auto after = PartitionClient(daemon_.channel()).latest_snapshot();
  ASSERT_TRUE(after) << after.error().message;
  ASSERT_NE(after->view().members.find(NodeId("n1")), nullptr);
  EXPECT_TRUE(after->view().members.find(NodeId("n1"))->blocked);
}

}  // namespace
}  // namespace rollcall::test
