// A sidecar that follows another sidecar's /v1/http_sd: the same members with the same hash, and
// what the second does while the first is silent, gone, stale, or back.

#include <gtest/gtest.h>

#include <memory>

#include "tests/backends/assert_done.h"
#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {
namespace {

constexpr char kFast[] =
    "failover: {backoff: 50ms, backoff_max: 200ms, cooldown: 100ms}\n"
    "admission: {allow_unreachable: true}\n";

class HttpChain : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto ports = free_ports(1);  // stable, so that the first may be restarted
    ASSERT_EQ(ports.size(), 1u);
    address_ = "127.0.0.1:" + std::to_string(ports[0]);
    DaemonProcess::Options options;
    options.listen_http = false;
    options.arguments = {"--http-listen", address_};
    options.environment = {{"ROLLCALL_FAILOVER_COOLDOWN", "0s"}};
    first_ = std::make_unique<DaemonProcess>(options);
    const auto started = first_->start();
    ASSERT_TRUE(started) << started.error();
    ASSERT_DONE(first_->admin().join_member(member("n1", 7001)));
    ClusterNode n2 = member("n2", 7002);
    n2.labels = {{"app.kubernetes.io/name", "web"}};
    n2.zone = "z2";
    n2.weight = 5;
    n2.incarnation = "life-1";
    ASSERT_DONE(first_->admin().join_member(n2));

    second_.set_config(kFast);
    const auto followed = second_.start();
    ASSERT_TRUE(followed) << followed.error();
    ProviderDescriptor d;
    d.id = ProviderId("upstream");
    d.kind = "http";
    d.priority = 10;
    d.endpoints = {"http://" + address_ + "/v1/http_sd"};
    d.watch_params = {
        {"id", "label:__meta_rollcall_id"}, {"refresh_ms", "100"}, {"timeout_ms", "1000"}};
    const auto accepted = second_.admin().register_provider(d);
    ASSERT_TRUE(accepted) << accepted.error().message;
    consumer_ = std::make_unique<RecordingConsumer>(
        second_, RecordingConsumer::Options{
                     client::Bridge::Remoting, "remoting-1", client::Acknowledge::Never, {}});
    ASSERT_TRUE(consumer_->wait_for_members({"n1", "n2"})) << consumer_->describe();
  }
  bool upstream_becomes(const std::function<bool(const v1::ProviderState&)>& matches) {
    return eventually(kHungProgram, [&] {
      const auto state = second_.admin().get_provider(ProviderId("upstream"));
      return state && matches(*state);
    });
  }
  bool upstream_fails_with(const std::string& code) {
    return upstream_becomes([&](const v1::ProviderState& s) {
      return s.health() == v1::HEALTH_UNREACHABLE && s.last_error_code() == code;
    });
  }
  bool upstream_is_healthy() {
    return upstream_becomes(
        [](const v1::ProviderState& s) { return s.health() == v1::HEALTH_HEALTHY && s.active(); });
  }
  // Since `before` nothing joined and nothing left.
  void expect_no_change_since(std::size_t before) {
    EXPECT_EQ(consumer_->events(v1::ClusterEvent::kDelta).size(), before) << consumer_->describe();
    EXPECT_EQ(consumer_->view().members.size(), 2u);
  }
  std::size_t deltas() { return consumer_->events(v1::ClusterEvent::kDelta).size(); }

  std::string address_;
  std::unique_ptr<DaemonProcess> first_;
  DaemonProcess second_;
  std::unique_ptr<RecordingConsumer> consumer_;
};

TEST_F(HttpChain, TheMembersAndTheHashAreTheSame) {
  const auto first = first_->admin().get_status();
  const auto second = second_.admin().get_status();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->snapshot_hash(), second->snapshot_hash());
  const Member* n2 = consumer_->view().members.find(NodeId("n2"));
  ASSERT_NE(n2, nullptr);
  EXPECT_EQ(n2->node->labels.at("app.kubernetes.io/name"), "web");
  EXPECT_EQ(n2->node->weight, 5u);
}

TEST_F(HttpChain, R4_1_JoinDrainAndLeaveAreHandedOn) {
  ASSERT_DONE(first_->admin().join_member(member("n3", 7003)));
  ASSERT_TRUE(consumer_->wait_for_members({"n1", "n2", "n3"})) << consumer_->describe();
  ClusterNode draining = member("n1", 7001);
  draining.status = NodeStatus::Draining;
  ASSERT_DONE(first_->admin().join_member(draining));
  EXPECT_TRUE(consumer_->wait_for([&] {
    const auto view = consumer_->view();
    const Member* n1 = view.members.find(NodeId("n1"));
    return n1 != nullptr && n1->node->status == NodeStatus::Draining;
  })) << consumer_->describe();
  ASSERT_DONE(first_->admin().leave_member(NodeId("n1")));
  EXPECT_TRUE(consumer_->wait_for_members({"n2", "n3"})) << consumer_->describe();
}

TEST_F(HttpChain, R2_5_AFirstThatIsGoneIsReplacedByAFileWithoutAJoinOrALeave) {
  std::vector<ClusterNode> nodes;
  consumer_->view().members.for_each([&](const Member& m) { nodes.push_back(*m.node); });
  const std::string path = (second_.directory() / "standby.json").string();
  replace_file(path, member_file(nodes));
  ASSERT_DONE(second_.admin().register_provider(file_provider("standby", 5, path)));
  ASSERT_TRUE(eventually(kHungProgram, [&] {
    const auto state = second_.admin().get_provider(ProviderId("standby"));
    return state && state->health() == v1::HEALTH_HEALTHY && state->members() == 2;
  }));
  const std::size_t before = deltas();
  first_->kill();
  EXPECT_TRUE(consumer_->wait_for_event([](const v1::ClusterEvent& e) {
    return e.has_provider_changed() && e.provider_changed().to_provider_id() == "standby" &&
           e.provider_changed().reason() == v1::FAILOVER_REASON_HEALTH_DEGRADED;
  })) << consumer_->describe();
  EXPECT_TRUE(upstream_fails_with("BACKEND_UNAVAILABLE"));
  ASSERT_TRUE(first_->start());
  EXPECT_TRUE(upstream_is_healthy()) << second_.output();  // and has the role again
  expect_no_change_since(before);
}

TEST_F(HttpChain, AStaleFirstConfirmsNothing) {
  const std::size_t before = deltas();
  ASSERT_DONE(first_->admin().disable_provider(ProviderId("default"), "a test"));
  EXPECT_TRUE(upstream_fails_with("BACKEND_UNAVAILABLE")) << second_.output();
  EXPECT_TRUE(consumer_->wait_for([&] { return consumer_->view().stale; }));
  expect_no_change_since(before);
  ASSERT_DONE(first_->admin().enable_provider(ProviderId("default")));
  EXPECT_TRUE(upstream_is_healthy()) << second_.output();
  expect_no_change_since(before);
}

TEST_F(HttpChain, ASilentFirstIsATimeoutAndPasses) {
  const std::size_t before = deltas();
  ASSERT_TRUE(first_->process().pause());
  EXPECT_TRUE(upstream_fails_with("TIMEOUT")) << second_.output();
  expect_no_change_since(before);
  ASSERT_TRUE(first_->process().resume());
  EXPECT_TRUE(upstream_is_healthy()) << second_.output();
  expect_no_change_since(before);
}

}  // namespace
}  // namespace rollcall::test
