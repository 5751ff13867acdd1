// rollcalld without any configuration (SPEC 9), from joining a member to the three consumers.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/backends/assert_done.h"
#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {
namespace {

using client::Bridge;

mode_t mode_of(const std::string& path) {
  struct stat s {};
  return stat(path.c_str(), &s) == 0 ? s.st_mode & 07777 : 0;
}

class EmbeddedDefault : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
  }
  DaemonProcess daemon_;
};

TEST_F(EmbeddedDefault, ServesOneInMemoryProviderOfPriorityZero) {
  const auto list = daemon_.admin().list_providers();
  ASSERT_TRUE(list) << list.error().message;
  ASSERT_EQ(list->providers_size(), 1);
  const v1::ProviderState& p = list->providers(0);
  EXPECT_EQ(p.provider().id(), "default");
  EXPECT_EQ(p.provider().kind(), "in-memory");
  EXPECT_EQ(p.provider().priority(), 0);
  EXPECT_TRUE(p.active());
  EXPECT_EQ(p.health(), v1::HEALTH_HEALTHY);
}

TEST_F(EmbeddedDefault, R2_1_AMemberThatJoinsReachesAllThreeBridges) {
  RecordingConsumer placement(daemon_, {Bridge::Placement, "placement-1"});
  RecordingConsumer partition(daemon_, {Bridge::Partition, "partition-1"});
  RecordingConsumer remoting(daemon_, {Bridge::Remoting, "remoting-1"});
  ASSERT_DONE(daemon_.admin().join_member(member("n1")));
  for (RecordingConsumer* consumer : {&placement, &partition, &remoting}) {
    EXPECT_TRUE(consumer->wait_for_members({"n1"})) << consumer->describe();
    EXPECT_TRUE(consumer->troubles().empty()) << consumer->describe();
  }
  // R4.1: one event for one node.
  EXPECT_TRUE(remoting.wait_for_event([](const auto& e) {
    return e.has_remote_topology() && e.remote_topology().node().id() == "n1";
  }));
  ASSERT_DONE(daemon_.admin().leave_member(NodeId("n1")));
  EXPECT_TRUE(remoting.wait_for_members({})) << remoting.describe();
}

TEST_F(EmbeddedDefault, R2_3_EventsAreInOrderAndNameTheHashTheyInvalidate) {
  RecordingConsumer consumer(daemon_, {Bridge::Placement, "placement-1"});
  ASSERT_TRUE(consumer.wait_for([&] { return consumer.view().has_topology(); }));
  for (int i = 0; i < 20; ++i)
    ASSERT_DONE(daemon_.admin().join_member(member("n" + std::to_string(100 + i))));
  ASSERT_TRUE(consumer.wait_for([&] { return consumer.view().members.size() == 20; }));
  std::uint64_t hash = 0;
  std::uint64_t seq = 0;
  for (const v1::ClusterEvent& e : consumer.events()) {
    EXPECT_TRUE(seq == 0 || e.seq_no() == seq + 1) << consumer.describe();
    seq = e.seq_no();
    if (!e.has_delta()) continue;
    EXPECT_EQ(e.delta().invalidates_hash(), hash);
    EXPECT_NE(e.snapshot_hash(), hash);
    hash = e.snapshot_hash();
  }
  EXPECT_EQ(hash, consumer.view().members.hash());
}

TEST_F(EmbeddedDefault, R2_4_EmptyPausesPlacementAndTheFirstMemberResumesIt) {
  RecordingConsumer placement(daemon_, {Bridge::Placement, "placement-1"});
  ASSERT_TRUE(placement.wait_for([&] { return placement.view().has_topology(); }));
  EXPECT_EQ(placement.view().availability, Availability::Empty);
  ASSERT_DONE(daemon_.admin().join_member(member("n1")));
  EXPECT_TRUE(placement.wait_for_event([](const auto& e) {
    return e.has_availability_changed() && !e.availability_changed().placement_paused();
  })) << placement.describe();
  ASSERT_DONE(daemon_.admin().leave_member(NodeId("n1")));
  EXPECT_TRUE(placement.wait_for([&] {
    return placement.view().availability == Availability::Empty &&
           placement.view().placement_paused && placement.view().members.empty();
  })) << placement.describe();
}

TEST_F(EmbeddedDefault, OnlyItsUserMayUseTheSocketAndReadTheState) {
  EXPECT_EQ(mode_of(daemon_.socket()), 0600u);
  EXPECT_EQ(mode_of(daemon_.state_dir()), 0700u);
  EXPECT_EQ(mode_of(daemon_.state_dir() + "/providers.jsonl"), 0600u);
  EXPECT_EQ(mode_of(daemon_.state_dir() + "/lock"), 0600u);
}

TEST_F(EmbeddedDefault, ASecondProcessIsToldWhoHoldsTheState) {
  Process::Options second;
  second.argv = {(bin_dir() / "rollcalld").string(), "--state-dir", daemon_.state_dir(),
                 "--http-listen", "127.0.0.1:0"};
  second.output = daemon_.directory() / "second";
  auto process = Process::start(second);
  ASSERT_TRUE(process) << process.error();
  const auto ended = process->wait(kHungProgram);
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->code, 4);
  const std::string said = read_file(second.output);
  EXPECT_NE(said.find("STORE_LOCKED"), std::string::npos) << said;
  EXPECT_NE(said.find(std::to_string(daemon_.process().pid())), std::string::npos) << said;
  EXPECT_TRUE(daemon_.admin().get_status());
}

TEST_F(EmbeddedDefault, StatusNamesWhatIsServed) {
  ASSERT_DONE(daemon_.admin().join_member(member("n1")));
  RecordingConsumer consumer(daemon_, {Bridge::Placement, "placement-1"});
  ASSERT_TRUE(consumer.wait_for_members({"n1"}));
  const auto status = daemon_.admin().get_status();
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(status->cluster(), "default");
  EXPECT_EQ(status->active_provider(), "default");
  EXPECT_EQ(status->members(), 1u);
  EXPECT_EQ(status->ready(), 1u);
  EXPECT_EQ(status->availability(), v1::AVAILABILITY_AVAILABLE);
  EXPECT_FALSE(status->stale());
  EXPECT_EQ(status->snapshot_hash(), consumer.view().members.hash());
  ASSERT_EQ(status->consumers_size(), 1);
  EXPECT_EQ(status->consumers(0).bridge(), "placement");
  EXPECT_TRUE(status->consumers(0).connected());
}

TEST_F(EmbeddedDefault, TheTopologyOfTheAdminApiIsProvedByItsHash) {
  for (int i = 0; i < 30; ++i)
    ASSERT_DONE(daemon_.admin().join_member(member("n" + std::to_string(i))));
  RecordingConsumer consumer(daemon_, {Bridge::Placement, "placement-1"});
  ASSERT_TRUE(consumer.wait_for([&] { return consumer.view().members.size() == 30; }));
  const auto topology = daemon_.admin().get_topology();
  ASSERT_TRUE(topology) << topology.error().message;
  EXPECT_EQ(topology->view().members.hash(), consumer.view().members.hash());
}

}  // namespace
}  // namespace rollcall::test
