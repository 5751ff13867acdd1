// Starting, restarting, draining and ending.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "tests/backends/assert_done.h"
#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {
namespace {

using client::Bridge;
using std::chrono::seconds;

class Lifecycle : public ::testing::Test {
 protected:
  void start() {
    auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
  }
  DaemonProcess daemon_;
};

TEST_F(Lifecycle, SigtermEndsInOrderWithinFiveSeconds) {
  start();
  ASSERT_DONE(daemon_.admin().join_member(member("n1")));
  RecordingConsumer consumer(daemon_, {Bridge::Placement, "placement-1"});
  ASSERT_TRUE(consumer.wait_for_members({"n1"}));
  daemon_.process().signal(SIGTERM);
  const auto ended = daemon_.process().wait(seconds(5));
  ASSERT_TRUE(ended) << "still running after 5 s: " << daemon_.output();
  EXPECT_TRUE(ended->ok()) << ended->code << " signal " << ended->signal;
  // The consumer heard of it, and lost nothing.
  EXPECT_TRUE(consumer.wait_for_event([](const auto& e) {
    return e.has_availability_changed() &&
           e.availability_changed().availability() == v1::AVAILABILITY_DRAINING;
  })) << consumer.describe();
  EXPECT_EQ(consumer.view().members.size(), 1u);
}

TEST_F(Lifecycle, SigintEndsInOrderToo) {
  start();
  daemon_.process().signal(SIGINT);
  const auto ended = daemon_.process().wait(seconds(5));
  ASSERT_TRUE(ended);
  EXPECT_TRUE(ended->ok());
}

TEST_F(Lifecycle, R3_5_AnOperatorsDrainServesTheLastTopologyAndRefusesChanges) {
  start();
  ASSERT_DONE(daemon_.admin().join_member(member("n1")));
  RecordingConsumer early(daemon_, {Bridge::Placement, "placement-1"});
  ASSERT_TRUE(early.wait_for_members({"n1"}));
  const auto admin = daemon_.admin();
  ASSERT_TRUE(admin.drain());
  EXPECT_TRUE(early.wait_for_event([](const auto& e) {
    return e.has_availability_changed() &&
           e.availability_changed().availability() == v1::AVAILABILITY_DRAINING;
  })) << early.describe();
  const auto refused = admin.join_member(member("n2"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::ShuttingDown) << refused.error().message;
  const auto late = client::PartitionClient(daemon_.channel()).latest_snapshot();
  ASSERT_TRUE(late) << late.error().message;
  EXPECT_EQ(late->view().members.size(), 1u);
  EXPECT_TRUE(late->view().draining);
  const auto ended = daemon_.process().wait(seconds(5));
  ASSERT_TRUE(ended) << "still running 5 s after the drain";
  EXPECT_TRUE(ended->ok());
}

TEST_F(Lifecycle, R1_5_ProvidersAndMembersAreThereAfterARestart) {
  start();
  ASSERT_DONE(daemon_.admin().register_provider(in_memory_provider("second", 5)));
  ASSERT_DONE(daemon_.admin().join_member(member("n1"), ProviderId("second")));
  const auto before = daemon_.admin().get_status();
  ASSERT_TRUE(before);
  ASSERT_TRUE(daemon_.stop());
  start();
  const auto list = daemon_.admin().list_providers();
  ASSERT_TRUE(list);
  EXPECT_EQ(list->providers_size(), 2);
  RecordingConsumer consumer(daemon_, {Bridge::Placement, "placement-1"});
  EXPECT_TRUE(consumer.wait_for_members({"n1"})) << consumer.describe();
  const auto after = daemon_.admin().get_status();
  ASSERT_TRUE(after);
  EXPECT_NE(after->epoch(), before->epoch());
  EXPECT_GT(after->seq_no(), before->seq_no());
  EXPECT_EQ(after->revision(), before->revision());
}

TEST_F(Lifecycle, S3_APinIsNotThereAfterARestart) {
  start();
  ASSERT_DONE(daemon_.admin().register_provider(in_memory_provider("second", -1)));
  ASSERT_TRUE(eventually(kHungProgram, [&] {
    const auto state = daemon_.admin().get_provider(ProviderId("second"));
    return state && state->health() == v1::HEALTH_HEALTHY;
  }));
  ASSERT_DONE(daemon_.admin().switch_provider(ProviderId("second"), std::chrono::hours(24)));
  ASSERT_EQ(daemon_.admin().get_status()->pinned_provider(), "second");
  ASSERT_TRUE(daemon_.stop());
  start();
  EXPECT_EQ(daemon_.admin().get_status()->pinned_provider(), "");
  EXPECT_TRUE(eventually(kHungProgram, [&] {
    const auto status = daemon_.admin().get_status();
    return status && status->active_provider() == "default";  // as the priorities have it
  })) << daemon_.output();
}

TEST_F(Lifecycle, AConsumerFollowsOverARestartWithoutFalseJoinsOrLeaves) {
  start();
  ASSERT_DONE(daemon_.admin().join_member(member("n1")));
  ASSERT_DONE(daemon_.admin().join_member(member("n2")));
  RecordingConsumer consumer(daemon_, {Bridge::Remoting, "remoting-1"});
  ASSERT_TRUE(consumer.wait_for_members({"n1", "n2"}));
  const std::uint64_t epoch = consumer.view().position.epoch.value();
  ASSERT_TRUE(daemon_.stop());
  start();
  ASSERT_DONE(daemon_.admin().join_member(member("n3")));
  EXPECT_TRUE(consumer.wait_for_members({"n1", "n2", "n3"})) << consumer.describe();
  EXPECT_NE(consumer.view().position.epoch.value(), epoch);
  for (const auto& e : consumer.events(v1::ClusterEvent::kRemoteTopology))
    EXPECT_NE(e.remote_topology().kind(), v1::REMOTE_KIND_LEAVE) << consumer.describe();
  EXPECT_TRUE(consumer.troubles().empty()) << consumer.describe();
  EXPECT_TRUE(consumer.repeated().empty());
}

TEST_F(Lifecycle, WithAllBackendsDownTheLastTopologyIsServedStaleAtOnce) {
  start();
  const std::string path = (daemon_.directory() / "members.json").string();
  replace_file(path, member_file({member("f1"), member("f2")}));
  ASSERT_DONE(daemon_.admin().remove_provider(ProviderId("default")));
  ASSERT_DONE(daemon_.admin().register_provider(file_provider("file", 1, path)));
  {
    RecordingConsumer consumer(daemon_, {Bridge::Placement, "placement-1"});
    ASSERT_TRUE(consumer.wait_for_members({"f1", "f2"}));
  }
  ASSERT_TRUE(daemon_.stop());
  std::filesystem::remove(path);
  start();
  const auto snapshot = client::PartitionClient(daemon_.channel()).latest_snapshot();
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_TRUE(snapshot->view().stale);
  EXPECT_EQ(snapshot->view().members.size(), 2u);
  // The backend comes back: nothing left, nothing joined.
  RecordingConsumer consumer(daemon_, {Bridge::Remoting, "remoting-1"});
  replace_file(path, member_file({member("f1"), member("f2")}));
  EXPECT_TRUE(consumer.wait_for([&] { return !consumer.view().stale; })) << consumer.describe();
  EXPECT_TRUE(consumer.events(v1::ClusterEvent::kDelta).empty()) << consumer.describe();
}

TEST_F(Lifecycle, ADamagedStoreStopsTheStartAndSaysWhatRecovers) {
  start();
  ASSERT_TRUE(daemon_.stop());
  write_file(daemon_.state_dir() + "/providers.jsonl", "not what was written\n");
  const auto ended = daemon_.start_and_fail();
  ASSERT_TRUE(ended) << ended.error();
  EXPECT_EQ(ended->code, 5);
  EXPECT_NE(daemon_.output().find("STORE_CORRUPTED"), std::string::npos) << daemon_.output();
  EXPECT_NE(daemon_.output().find("providers.jsonl"), std::string::npos);
}

TEST_F(Lifecycle, ATakenAddressIsNamed) {
  start();
  DaemonProcess other;
  other.add_argument("--grpc-listen");
  other.add_argument(daemon_.address());
  const auto ended = other.start_and_fail();
  ASSERT_TRUE(ended) << ended.error();
  EXPECT_EQ(ended->code, 6);
  EXPECT_NE(other.output().find(daemon_.socket()), std::string::npos) << other.output();
  EXPECT_TRUE(daemon_.admin().get_status());
}

TEST_F(Lifecycle, ASocketLeftByADeadProcessIsReplaced) {
  start();
  daemon_.kill();
  EXPECT_TRUE(std::filesystem::exists(daemon_.socket()));
  start();
  EXPECT_TRUE(daemon_.admin().get_status());
}

TEST_F(Lifecycle, TheHttpAddressIsInTheStateDirectory) {
  start();
  EXPECT_EQ(read_file(daemon_.state_dir() + "/http.address"), daemon_.http_address() + "\n");
}

TEST_F(Lifecycle, TheServiceManagerIsTold) {
  // sd_notify(3)'s protocol: a datagram on the socket that $NOTIFY_SOCKET names.
  TempDir dir;
  const std::string path = (dir / "notify").string();
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  DaemonProcess::Options options;
  options.environment = {{"NOTIFY_SOCKET", path}};
  DaemonProcess daemon(options);
  ASSERT_TRUE(daemon.start());
  char text[64] = {};
  ASSERT_GT(recv(fd, text, sizeof(text) - 1, 0), 0);
  EXPECT_STREQ(text, "READY=1");
  EXPECT_TRUE(daemon.stop()->ok());
  std::fill(std::begin(text), std::end(text), '\0');
  ASSERT_GT(recv(fd, text, sizeof(text) - 1, 0), 0);
  EXPECT_STREQ(text, "STOPPING=1");
  close(fd);
}

}  // namespace
}  // namespace rollcall::test
