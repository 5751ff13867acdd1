// NEEDS: dns
// A rollcalld that follows SRV records of a real Knot DNS, with a file of the same members behind
// it: the right code at each kind of outage, no member that leaves for want of an answer, and the
// way back.

#include <gtest/gtest.h>

#include <memory>

#include "tests/backends/assert_done.h"
#include "tests/backends/dns_server.h"
#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {
namespace {

constexpr char kFast[] =
    "failover: {backoff: 50ms, backoff_max: 200ms, cooldown: 100ms}\n"
    "admission: {allow_unreachable: true}\n";
const std::string kTwo =
    "_db._tcp SRV 0 1 5432 n1\n_db._tcp SRV 0 1 5432 n2\nn1 A 10.0.0.1\nn2 A 10.0.0.2\n";
constexpr char kN1[] = "n1.rollcall.test:5432";
constexpr char kN2[] = "n2.rollcall.test:5432";

class DnsFailover : public ::testing::Test {
 protected:
  void SetUp() override {
    auto knot = DnsServerProcess::start({.tcp_only = false, .records = kTwo});
    ASSERT_TRUE(knot) << knot.error();
    knot_ = std::move(*knot);
    daemon_.set_config(kFast);
    const auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
    ProviderDescriptor d;
    d.id = ProviderId("dns");
    d.kind = "dns";
    d.priority = 10;
    d.endpoints = {knot_->address()};
    d.watch_params = {{"name", "_db._tcp.rollcall.test"},
                      {"id", "name"},
                      {"min_ttl_ms", "50"},
                      {"timeout_ms", "600"}};
    const auto accepted = daemon_.admin().register_provider(d);
    ASSERT_TRUE(accepted) << accepted.error().message;
    consumer_ = std::make_unique<RecordingConsumer>(
        daemon_, RecordingConsumer::Options{
                     client::Bridge::Remoting, "remoting-1", client::Acknowledge::Never, {}});
    ASSERT_TRUE(consumer_->wait_for_members({kN1, kN2})) << consumer_->describe();
    std::vector<ClusterNode> nodes;
    consumer_->view().members.for_each([&](const Member& m) { nodes.push_back(*m.node); });
    const std::string path = (daemon_.directory() / "standby.json").string();
    replace_file(path, member_file(nodes));
    ASSERT_DONE(daemon_.admin().register_provider(file_provider("standby", 5, path)));
    ASSERT_TRUE(state_becomes("standby", [](const v1::ProviderState& s) {
      return s.health() == v1::HEALTH_HEALTHY && s.members() == 2;
    }));
    deltas_ = deltas();
  }
  bool state_becomes(const std::string& id,
                     const std::function<bool(const v1::ProviderState&)>& matches) {
    return eventually(kHungProgram, [&] {
      const auto state = daemon_.admin().get_provider(ProviderId(id));
      return state && matches(*state);
    });
  }
  std::size_t deltas() { return consumer_->events(v1::ClusterEvent::kDelta).size(); }
  void expect_failover(const std::string& code, v1::FailoverReason reason) {
    EXPECT_TRUE(state_becomes("dns", [&](const v1::ProviderState& s) {
      return s.health() == v1::HEALTH_UNREACHABLE && !s.active() && s.last_error_code() == code;
    })) << daemon_.output();
    EXPECT_TRUE(state_becomes("standby", [](const v1::ProviderState& s) { return s.active(); }));
    EXPECT_TRUE(consumer_->wait_for_event([&](const auto& e) {
      return e.has_provider_changed() && e.provider_changed().from_provider_id() == "dns" &&
             e.provider_changed().to_provider_id() == "standby" &&
             e.provider_changed().reason() == reason;
    })) << consumer_->describe();
  }
  void expect_way_back_without_a_change() {
    EXPECT_TRUE(state_becomes("dns", [](const v1::ProviderState& s) { return s.active(); }))
        << daemon_.output();
    EXPECT_EQ(deltas(), deltas_) << consumer_->describe();
    EXPECT_EQ(consumer_->view().members.size(), 2u);
  }

  std::unique_ptr<DnsServerProcess> knot_;
  DaemonProcess daemon_;
  std::unique_ptr<RecordingConsumer> consumer_;
  std::size_t deltas_ = 0;
};

TEST_F(DnsFailover, R2_5_SilenceIsATimeout) {
  ASSERT_TRUE(knot_->pause());
  expect_failover("TIMEOUT", v1::FAILOVER_REASON_TIMEOUT);
  ASSERT_TRUE(knot_->resume());
  expect_way_back_without_a_change();
}

TEST_F(DnsFailover, R2_5_RefusalAndServfailAreOutages) {
  knot_->kill();
  expect_failover("BACKEND_UNAVAILABLE", v1::FAILOVER_REASON_HEALTH_DEGRADED);
  const auto broken = knot_->break_zone();
  ASSERT_TRUE(broken) << broken.error();
  EXPECT_TRUE(state_becomes("dns", [](const v1::ProviderState& s) {
    return s.last_error().find("SERVFAIL") != std::string::npos;
  }));
  const auto repaired = knot_->set_records(kTwo);
  ASSERT_TRUE(repaired) << repaired.error();
  expect_way_back_without_a_change();
}

TEST_F(DnsFailover, R4_1_RecordsThatComeAndGoAreJoinsAndLeaves) {
  auto done = knot_->set_records(kTwo + "_db._tcp SRV 0 1 5432 n3\nn3 A 10.0.0.3\n");
  ASSERT_TRUE(done) << done.error();
  EXPECT_TRUE(consumer_->wait_for_members({kN1, kN2, "n3.rollcall.test:5432"}))
      << consumer_->describe();
  done = knot_->set_records(kTwo);
  ASSERT_TRUE(done) << done.error();
  EXPECT_TRUE(consumer_->wait_for_members({kN1, kN2})) << consumer_->describe();
  done = knot_->set_records("");
  ASSERT_TRUE(done) << done.error();
  EXPECT_TRUE(consumer_->wait_for([&] {  // R2.4: NXDOMAIN is an answer
    return consumer_->view().availability == Availability::Empty;
  })) << consumer_->describe();
}

}  // namespace
}  // namespace rollcall::test
