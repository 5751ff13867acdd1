// NEEDS: dns
// A rollcalld that follows SRV records of a real Knot DNS, with a file of the same members behind
// it: the right code at each kind of outage, no member that leaves for want of an answer, and the
// way back.

#include "tests/backends/dns_server.h"
#include "tests/daemon/failover_fixture.h"

namespace rollcall::test {
namespace {

const std::string kTwo =
    "_db._tcp SRV 0 1 5432 n1\n_db._tcp SRV 0 1 5432 n2\nn1 A 10.0.0.1\nn2 A 10.0.0.2\n";
constexpr char kN1[] = "n1.rollcall.test:5432";
constexpr char kN2[] = "n2.rollcall.test:5432";

class DnsFailover : public FailoverFixture {
 protected:
  void SetUp() override {
    auto knot = DnsServerProcess::start({.tcp_only = false, .records = kTwo});
    ASSERT_TRUE(knot) << knot.error();
    knot_ = std::move(*knot);
    start_daemon();
    ProviderDescriptor d;
    d.id = ProviderId("dns");
    d.kind = "dns";
    d.priority = 10;
    d.endpoints = {knot_->address()};
    d.watch_params = {{"name", "_db._tcp.rollcall.test"},
                      {"id", "name"},
                      {"min_ttl_ms", "50"},
                      {"timeout_ms", "600"}};
    accept(d);
    serve({kN1, kN2});
  }

  std::unique_ptr<DnsServerProcess> knot_;
};

TEST_F(DnsFailover, R2_5_SilenceIsATimeout) {
  ASSERT_TRUE(knot_->pause());
  expect_failover("dns", v1::FAILOVER_REASON_TIMEOUT, "TIMEOUT");
  ASSERT_TRUE(knot_->resume());
  expect_way_back("dns");
}

TEST_F(DnsFailover, R2_5_RefusalAndServfailAreOutages) {
  knot_->kill();
  expect_failover("dns", v1::FAILOVER_REASON_HEALTH_DEGRADED, "BACKEND_UNAVAILABLE");
  const auto broken = knot_->break_zone();
  ASSERT_TRUE(broken) << broken.error();
  EXPECT_TRUE(state_becomes("dns", [](const v1::ProviderState& s) {
    return s.last_error().find("SERVFAIL") != std::string::npos;
  }));
  const auto repaired = knot_->set_records(kTwo);
  ASSERT_TRUE(repaired) << repaired.error();
  expect_way_back("dns");
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
