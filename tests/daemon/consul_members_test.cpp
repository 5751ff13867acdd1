// NEEDS: consul
// Services of a real agent as members: registered, failing, gone.

#include "tests/daemon/consul_fixture.h"

namespace rollcall::test {
namespace {

class ConsulMembers : public ConsulFixture {
 protected:
  void SetUp() override {
    start_agent();
    start_daemon("backoff: 50ms, backoff_max: 200ms");
    add_service("db-1");
    follow_consul();
    consumer_ = std::make_unique<RecordingConsumer>(
        daemon_, RecordingConsumer::Options{
                     client::Bridge::Remoting, "remoting-1", client::Acknowledge::Never, {}});
    ASSERT_TRUE(consumer_->wait_for_members({"db-1"})) << consumer_->describe();
  }
  std::unique_ptr<RecordingConsumer> consumer_;
};

TEST_F(ConsulMembers, R4_1_ARegisteredServiceIsAJoin) {
  add_service("db-2");
  ASSERT_TRUE(consumer_->wait_for_members({"db-1", "db-2"})) << consumer_->describe();
  EXPECT_TRUE(consumer_->wait_for_event([](const auto& e) {
    return e.has_remote_topology() && e.remote_topology().kind() == v1::REMOTE_KIND_JOIN &&
           e.remote_topology().node().id() == "db-2" &&
           e.remote_topology().provider_id() == "consul";
  })) << consumer_->describe();
  const Member* m = consumer_->view().members.find(NodeId("db-2"));
  ASSERT_NE(m, nullptr);
  EXPECT_EQ(m->node->host, "10.0.0.1");
  EXPECT_EQ(m->node->port, 5432);
  EXPECT_EQ(m->node->labels.at("rack"), "r1");
}

TEST_F(ConsulMembers, R4_1_ADeregisteredServiceIsALeave) {
  add_service("db-2");
  ASSERT_TRUE(consumer_->wait_for_members({"db-1", "db-2"}));
  ASSERT_DONE(agent_->deregister_service("db-1"));
  ASSERT_TRUE(consumer_->wait_for_members({"db-2"})) << consumer_->describe();
  EXPECT_TRUE(consumer_->wait_for_event([](const auto& e) {
    return e.has_remote_topology() && e.remote_topology().kind() == v1::REMOTE_KIND_LEAVE &&
           e.remote_topology().node().id() == "db-1";
  })) << consumer_->describe();
}

TEST_F(ConsulMembers, AFailingServiceIsAChangeOfStatusAndNoLeave) {
  ASSERT_DONE(agent_->set_status("db-1", "critical"));
  EXPECT_TRUE(consumer_->wait_for_event([](const auto& e) {
    return e.has_delta() && e.delta().changed_size() == 1 &&
           e.delta().changed(0).status() == v1::NODE_STATUS_NOT_READY;
  })) << consumer_->describe();
  ASSERT_DONE(agent_->set_status("db-1", "passing"));
  EXPECT_TRUE(consumer_->wait_for([&] {
    const Member* m = consumer_->view().members.find(NodeId("db-1"));
    return m != nullptr && m->node->status == NodeStatus::Ready;
  })) << consumer_->describe();
  for (const auto& e : consumer_->events(v1::ClusterEvent::kRemoteTopology))
    EXPECT_NE(e.remote_topology().kind(), v1::REMOTE_KIND_LEAVE);
}

TEST_F(ConsulMembers, R2_4_TheLastServiceThatGoesLeavesAConfirmedEmptyTopology) {
  ASSERT_DONE(agent_->deregister_service("db-1"));
  EXPECT_TRUE(consumer_->wait_for([&] {
    return consumer_->view().availability == Availability::Empty &&
           consumer_->view().placement_paused;
  })) << consumer_->describe();
  EXPECT_TRUE(consumer_->view().members.empty());
}

}  // namespace
}  // namespace rollcall::test
