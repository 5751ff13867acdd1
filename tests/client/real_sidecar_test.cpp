// The client library against the real sidecar: chunks, resets, silence, a log that has moved on,
// and kill -9. What consumers are promised beside that is in tests/daemon.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bridges/client/bridge_clients.h"
#include "bridges/client/subscriber.h"
#include "tests/backends/assert_done.h"
#include "tests/client/recording_listener.h"
#include "tests/daemon/daemon_process.h"

namespace rollcall::client::testing {
namespace {

using rollcall::test::DaemonProcess;
using rollcall::test::eventually;
using rollcall::test::kHungProgram;
using std::chrono::milliseconds;
using Heard = RecordingListener::Heard;

std::vector<ClusterNode> nodes_of(int count, const std::string& version) {
  std::vector<ClusterNode> nodes;
  for (int i = 0; i < count; ++i) {
    ClusterNode node = rollcall::test::member("node-" + std::to_string(i));
    node.labels = {{"version", version}, {"padding", std::string(60, 'x')}};
    nodes.push_back(std::move(node));
  }
  return nodes;
}

class RealSidecarTest : public ::testing::Test {
 protected:
  void start(const std::string& config = "") {
    if (!config.empty()) daemon_.set_config(config);
    const auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
  }
  std::string path() { return (daemon_.directory() / "members.json").string(); }
  void write(int count, const std::string& version) {
    rollcall::test::replace_file(path(), rollcall::test::member_file(nodes_of(count, version)));
  }
  // The only provider is a file of so many members.
  void serve_file(int count) {
    write(count, "1");
    WriteOptions whatever_the_check_says;  // a sanitized build may read for longer than it may take
    whatever_the_check_says.allow_unreachable = true;
    ASSERT_TRUE(daemon_.admin().register_provider(rollcall::test::file_provider("file", 10, path()),
                                                  whatever_the_check_says));
    ASSERT_TRUE(eventually(kHungProgram, [&] {
      const auto status = daemon_.admin().get_status();
      return status && status->members() == static_cast<std::uint32_t>(count);
    }));
  }
  SubscriberOptions options(Bridge bridge = Bridge::Placement) {
    SubscriberOptions options;
    options.channel.address = daemon_.address();
    options.bridge = bridge;
    options.consumer_id = "consumer-1";
    options.backoff = {milliseconds(5), milliseconds(100)};
    options.seed = 7;
    return options;
  }
  std::unique_ptr<Subscriber> subscribe(SubscriberOptions with, RecordingListener& listener) {
    auto started = Subscriber::start(std::move(with), listener);
    EXPECT_TRUE(started) << started.error().message;
    return started ? *std::move(started) : nullptr;
  }
  std::uint64_t hash() {
    const auto status = daemon_.admin().get_status();
    return status ? status->snapshot_hash() : 0;
  }
  bool converges(const Subscriber& subscriber) {
    return eventually(kHungProgram, [&] {
      const auto status = daemon_.admin().get_status();
      const TopologyView view = subscriber.view();
      return status && view.phase == Phase::Following &&
             view.position.epoch.value() == status->epoch() &&
             view.position.seq_no.value() == status->seq_no() &&
             view.members.hash() == status->snapshot_hash();
    });
  }
  static std::vector<std::string> members(const Subscriber& subscriber) {
    std::vector<std::string> result;
    subscriber.view().members.for_each(
        [&](const Member& member) { result.push_back(member.id().str()); });
    return result;
  }
  bool has_members(const Subscriber& subscriber, const std::vector<std::string>& ids) {
    return eventually(kHungProgram, [&] { return members(subscriber) == ids; });
  }
  static int count(const Heard& heard, const std::string& name) {
    return static_cast<int>(std::count(heard.events.begin(), heard.events.end(), name));
  }

  DaemonProcess daemon_;
  RecordingListener listener_;
};

TEST_F(RealSidecarTest, ALargeTopologyComesInChunksAndIsProved) {
  start();
  serve_file(12'000);
  const auto subscriber = subscribe(options(), listener_);
  ASSERT_TRUE(converges(*subscriber));
  EXPECT_EQ(subscriber->view().members.size(), 12'000u);
  // The view is there before its listener is told of it.
  ASSERT_TRUE(eventually(kHungProgram, [&] { return !listener_.heard().topologies.empty(); }));
  const Heard heard = listener_.heard();
  EXPECT_GE(count(heard, "snapshot"), 3);
  EXPECT_EQ(heard.topologies.size(), 1u);
  EXPECT_TRUE(heard.troubles.empty());
  const auto snapshot = PartitionClient(daemon_.channel()).latest_snapshot();
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_EQ(snapshot->view().members.hash(), subscriber->view().members.hash());
}

TEST_F(RealSidecarTest, AChangeTooLargeForTheLogIsTakenFromASnapshot) {
  start();
  serve_file(12'000);
  const auto subscriber = subscribe(options(), listener_);
  ASSERT_TRUE(converges(*subscriber));
  const std::uint64_t before = hash();
  write(12'000, "2");
  ASSERT_TRUE(eventually(kHungProgram, [&] { return hash() != before; }));
  ASSERT_TRUE(converges(*subscriber));
  subscriber->stop();  // the copy may be one event ahead of what was told
  const Heard heard = listener_.heard();
  EXPECT_EQ(count(heard, "reset"), 1);
  ASSERT_EQ(heard.topologies.size(), 2u);
  EXPECT_TRUE(heard.topologies[1].from_snapshot);
  EXPECT_EQ(heard.topologies[1].changed.size(), 12'000u);
  EXPECT_TRUE(heard.topologies[1].joined.empty());
  EXPECT_TRUE(heard.troubles.empty());
}

TEST_F(RealSidecarTest, AConsumerThatWasAwayForTooLongIsToldTheDifference) {
  start("hub: {log_bytes: 1MiB}\nproviders: []\n");
  serve_file(400);
  auto subscriber = subscribe(options(), listener_);
  ASSERT_TRUE(converges(*subscriber));
  subscriber->stop();
  SubscriberOptions again = options();
  again.resume_state = subscriber->export_state();
  // More than the log holds.
  for (int i = 0; i < 40; ++i) {
    const std::uint64_t before = hash();
    write(i == 39 ? 399 : 400, "turn-" + std::to_string(i));
    ASSERT_TRUE(eventually(kHungProgram, [&] { return hash() != before; }));
  }
  RecordingListener second;
  subscriber = subscribe(std::move(again), second);
  ASSERT_TRUE(converges(*subscriber));
  subscriber->stop();
  const Heard heard = second.heard();
  EXPECT_GE(count(heard, "snapshot"), 1);
  ASSERT_EQ(heard.topologies.size(), 1u);
  EXPECT_EQ(heard.topologies[0].left.size(), 1u);
  EXPECT_EQ(heard.topologies[0].changed.size(), 399u);
  ASSERT_EQ(heard.remotes.size(), 1u);
  EXPECT_EQ(heard.remotes[0].kind, RemoteKind::Leave);
  EXPECT_TRUE(heard.remotes[0].from_snapshot);
}

TEST_F(RealSidecarTest, ASilentSidecarIsLeftAndFoundAgain) {
  start("hub: {bookmark_every: 100ms}\nproviders: [{id: default, kind: in-memory}]\n");
  ASSERT_DONE(daemon_.admin().join_member(rollcall::test::member("n1")));
  SubscriberOptions impatient = options();
  impatient.silence = milliseconds(1'500);
  const auto subscriber = subscribe(std::move(impatient), listener_);
  ASSERT_TRUE(has_members(*subscriber, {"n1"}));
  ASSERT_TRUE(daemon_.process().pause());
  ASSERT_TRUE(listener_.wait([](const Heard& heard) {
    return std::any_of(heard.connections.begin(), heard.connections.end(), [](const auto& c) {
      return c.error && c.error->code == ErrorCode::Timeout;
    });
  }));
  EXPECT_EQ(subscriber->view().members.size(), 1u);  // what it holds stays usable
  ASSERT_TRUE(daemon_.process().resume());
  ASSERT_DONE(daemon_.admin().join_member(rollcall::test::member("n2")));
  ASSERT_TRUE(has_members(*subscriber, {"n1", "n2"}));
  subscriber->stop();
  EXPECT_GE(listener_.heard().topologies.size(), 2u);
  EXPECT_LE(listener_.heard().topologies.size(), 3u);  // the first may have been before n1
}

TEST_F(RealSidecarTest, R4_1_RemotingIsToldEachJoinAndLeaveOnceThroughKills) {
  start();
  const auto subscriber = subscribe(options(Bridge::Remoting), listener_);
  for (int life = 0; life < 5; ++life) {
    const std::string id = "n" + std::to_string(life);
    ASSERT_DONE(daemon_.admin().join_member(rollcall::test::member(id)));
    if (life % 2 == 1) {
      ASSERT_DONE(daemon_.admin().leave_member(NodeId("n" + std::to_string(life - 1))));
    }
    daemon_.kill();
    const auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
  }
  ASSERT_TRUE(has_members(*subscriber, {"n1", "n3", "n4"}));
  ASSERT_TRUE(converges(*subscriber));
  subscriber->stop();
  std::map<std::string, int> open;
  for (const RemoteChange& change : listener_.heard().remotes) {
    int& channels = open[change.node.id().str()];
    channels += change.kind == RemoteKind::Join ? 1 : -1;
    EXPECT_TRUE(channels == 0 || channels == 1) << change.node.id().str();
  }
  std::vector<std::string> left_open;
  for (const auto& [id, channels] : open) {
    if (channels == 1) left_open.push_back(id);
  }
  EXPECT_EQ(left_open, members(*subscriber));
  EXPECT_TRUE(listener_.heard().troubles.empty());
}

}  // namespace
}  // namespace rollcall::client::testing
