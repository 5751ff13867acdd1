// A real Prometheus scrapes a real rollcalld; promtool reads what it exposes.

#include <gtest/gtest.h>

#include <set>

#include "tests/backends/assert_done.h"
#include "tests/backends/prometheus_server.h"
#include "tests/daemon/announce_fixture.h"
#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {
namespace {

class PrometheusScrapes : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
    ASSERT_DONE(daemon_.admin().join_member(member("n1")));
    ASSERT_TRUE(eventually(kHungProgram, [&] {
      const auto status = daemon_.admin().get_status();
      return status && status->members() == 1;
    }));
  }
  DaemonProcess daemon_;
};

TEST_F(PrometheusScrapes, UpIsOneAndTheMembersAreThere) {
  auto prometheus = PrometheusServer::start({{daemon_.http_address()}, "/metrics", "200ms", {}});
  ASSERT_TRUE(prometheus) << prometheus.error();
  ASSERT_TRUE((*prometheus)->await_up(kHungProgram)) << (*prometheus)->process().output_tail();
  std::optional<double> members;
  EXPECT_TRUE(eventually(kHungProgram, [&] {
    auto value = (*prometheus)->value("rollcall_topology_members{status=\"READY\"}");
    if (value) members = *value;
    return members.has_value();
  }));
  EXPECT_EQ(members, 1.0);
}

TEST_F(PrometheusScrapes, PromtoolHasNoComplaint) {
  // With everything that can be labelled: consumers, a second provider, refused calls.
  RecordingConsumer placement(daemon_, {client::Bridge::Placement, "placement-1"});
  ASSERT_TRUE(placement.wait_for_members({"n1"}));
  (void)daemon_.admin().register_provider(in_memory_provider("second", 1));
  (void)daemon_.admin().remove_provider(ProviderId("nobody"));
  const HttpReply page = daemon_.get("/metrics");
  ASSERT_EQ(page.status, 200);
  const auto checked = promtool_check_metrics(page.body);
  ASSERT_TRUE(checked) << checked.error();
  EXPECT_TRUE(checked->exit.ok()) << checked->output;
  EXPECT_EQ(checked->output, "");
}

class PrometheusAnnounced : public AnnounceFixture {};

TEST_F(PrometheusAnnounced, PromtoolHasNoComplaintAboutAnnouncing) {
  daemon_.set_config(
      "providers: [{id: here, kind: local}, {id: dead, kind: etcd, endpoints: ['http://127.0.0.1:"
      "1'], watch_params: {prefix: /m}}]\nadmission: {allow_unreachable: true}\n" +
      announce_section("here, dead", "ttl: 3s"));
  const auto started = daemon_.start();
  ASSERT_TRUE(started) << started.error();
  ASSERT_TRUE(state_becomes("LISTED"));
  EXPECT_TRUE(eventually(kHungProgram, [&] {
    return metric(R"(rollcall_announce_calls_total{call="register",code="BACKEND_UNAVAILABLE",)"
                  R"(provider="dead"})") > 0;
  }));
  const HttpReply page = daemon_.get("/metrics");
  ASSERT_EQ(page.status, 200);
  const auto checked = promtool_check_metrics(page.body);
  ASSERT_TRUE(checked) << checked.error();
  EXPECT_TRUE(checked->exit.ok()) << checked->output;
  EXPECT_EQ(checked->output, "");
}

// GET /v1/http_sd, read by the one it is for.
class PrometheusDiscovers : public PrometheusScrapes {
 protected:
  void SetUp() override {
    PrometheusScrapes::SetUp();
    auto started = PrometheusServer::start({{daemon_.http_address()},
                                            "/metrics",
                                            "200ms",
                                            {"http://" + daemon_.http_address() + "/v1/http_sd"}});
    ASSERT_TRUE(started) << started.error();
    prometheus_ = std::move(*started);
  }
  bool discovers(const std::set<std::string>& wanted) {
    return eventually(kHungProgram, [&] {
      const auto targets = prometheus_->discovered();
      std::set<std::string> addresses;
      if (targets) {
        for (const auto& [address, labels] : *targets) addresses.insert(address);
      }
      return targets && addresses == wanted;
    });
  }
  std::unique_ptr<PrometheusServer> prometheus_;
};

TEST_F(PrometheusDiscovers, ItsTargetsFollowAJoinAndALeave) {
  EXPECT_TRUE(discovers({"10.1.2.3:7000"})) << prometheus_->process().output_tail();
  ClusterNode second = member("n2", 7002);
  second.zone = "z1";
  second.status = NodeStatus::Draining;
  second.labels = {{"team", "blue"}, {"app.kubernetes.io/name", "web"}};
  ASSERT_DONE(daemon_.admin().join_member(second));
  ASSERT_TRUE(discovers({"10.1.2.3:7000", "10.1.2.3:7002"}));
  const auto targets = prometheus_->discovered();
  ASSERT_TRUE(targets) << targets.error();
  const auto& labels = targets->at("10.1.2.3:7002");
  const std::pair<const char*, const char*> wanted[] = {
      {"id", "n2"},         {"zone", "z1"},         {"status", "DRAINING"},
      {"blocked", "false"}, {"label_team", "blue"}, {"label_app_kubernetes_io_name", "web"}};
  for (const auto& [name, value] : wanted) {
    ASSERT_TRUE(labels.contains(name)) << name;
    EXPECT_EQ(labels.at(name), value);
  }
  ASSERT_DONE(daemon_.admin().leave_member(NodeId("n1")));
  EXPECT_TRUE(discovers({"10.1.2.3:7002"}));
}

}  // namespace
}  // namespace rollcall::test
