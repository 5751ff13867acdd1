// Node processes of this host as members: registered, killed, and found again by a sidecar that was
// down in between. They are killed with nothing else to tell of it.
#include <gtest/gtest.h>
#include <signal.h>

#include "providers/local/registry/host_clock.h"
#include "providers/local/registry/local_registry.h"
#include "provisioning/registry/posix_file_system.h"
#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {
namespace {

using client::Bridge;

class LocalMembers : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
    ProviderDescriptor d;
    d.id = ProviderId("here");
    d.kind = "local";
    d.priority = 10;
    const auto registered = daemon_.admin().register_provider(d, {});
    ASSERT_TRUE(registered) << registered.error().message;
  }
  Process node(const std::string& id) {
    auto process = Process::start({.argv = {"/bin/sleep", "100000"},
                                   .environment = {},
                                   .output = {},
                                   .input = {},
                                   .directory = {}});
    EXPECT_TRUE(process) << process.error();
    Registration r;
    r.node.id = NodeId(id);
    r.socket = "/run/" + id + ".sock";
    const auto entry = registry_.register_process(r, process->pid());
    EXPECT_TRUE(entry) << entry.error().message;
    return std::move(*process);
  }

  DaemonProcess daemon_;
  PosixFileSystem files_;
  HostClock clock_;
  LocalRegistry registry_{files_, clock_, daemon_.state_dir() + "/local"};
};

TEST_F(LocalMembers, R4_1_AProcessThatRegistersJoinsAndOneThatIsKilledLeaves) {
  RecordingConsumer consumer(daemon_, {Bridge::Remoting, "remoting-1"});
  Process first = node("n1");
  Process second = node("n2");
  ASSERT_TRUE(consumer.wait_for_members({"n1", "n2"})) << consumer.describe();
  const Member* member = consumer.view().members.find(NodeId("n1"));
  ASSERT_NE(member, nullptr);
  EXPECT_EQ(member->node->labels.at("rollcall-socket"), "/run/n1.sock");
  first.kill();
  ASSERT_TRUE(consumer.wait_for_members({"n2"})) << consumer.describe();
  EXPECT_TRUE(consumer.wait_for_event([](const auto& e) {
    return e.has_remote_topology() && e.remote_topology().kind() == v1::REMOTE_KIND_LEAVE &&
           e.remote_topology().node().id() == "n1";
  })) << consumer.describe();
}

TEST_F(LocalMembers, TheRegistrySurvivesTheRestartOfTheSidecar) {
  Process first = node("n1");
  Process second = node("n2");
  {
    RecordingConsumer consumer(daemon_, {Bridge::Placement, "placement-1"});
    ASSERT_TRUE(consumer.wait_for_members({"n1", "n2"})) << consumer.describe();
  }
  daemon_.kill();
  first.kill();
  Process third = node("n3");
  const auto started = daemon_.start();
  ASSERT_TRUE(started) << started.error();
  RecordingConsumer consumer(daemon_, {Bridge::Placement, "placement-1"});
  EXPECT_TRUE(consumer.wait_for_members({"n2", "n3"})) << consumer.describe();
}

}  // namespace
}  // namespace rollcall::test
