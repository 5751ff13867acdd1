// NEEDS: etcd
// A rollcalld that follows a real etcd, with a file of the same members behind it: silence, refusal
// and a password that is no longer right, each told as what it is, nobody removed, and the way
// back.

#include "tests/backends/etcd_server.h"
#include "tests/daemon/failover_fixture.h"

namespace rollcall::test {
namespace {

// One error is enough: each of etcd's silences takes seconds.
const std::string kOneError = std::string(kFastFailover) + ", max_errors: 1";

class EtcdFailover : public FailoverFixture {
 protected:
  void run(EtcdServer::Options options = {}, const std::string& token_file = "") {
    auto server = EtcdServer::start(std::move(options));
    ASSERT_TRUE(server) << server.error();
    etcd_ = std::move(*server);
    for (const char* id : {"n1", "n2"}) {
      ASSERT_DONE(etcd_->put(std::string("/members/") + id, R"({"host":"10.0.0.1","port":7000})"));
    }
    if (!token_file.empty()) {
      ASSERT_DONE(etcd_->add_user("reader", "secret-1"));
      ASSERT_DONE(etcd_->add_role("members", "/members/", EtcdServer::Access::kRead));
      ASSERT_DONE(etcd_->grant_role("reader", "members"));
      write_file(token_file, "reader:secret-1\n");
    }
    start_daemon(kOneError);
    ProviderDescriptor d;
    d.id = ProviderId("etcd");
    d.kind = "etcd";
    d.priority = 10;
    d.endpoints = {etcd_->url()};
    d.auth.token_file = token_file;
    d.watch_params = {{"prefix", "/members"}, {"attest_ms", "200"}};
    accept(d);
    serve({"n1", "n2"});
  }

  std::unique_ptr<EtcdServer> etcd_;
};

TEST_F(EtcdFailover, R2_5_SilenceIsATimeoutAndRefusalAnError) {
  run();
  ASSERT_TRUE(etcd_->pause());
  expect_failover("etcd", v1::FAILOVER_REASON_TIMEOUT, "TIMEOUT");
  ASSERT_TRUE(etcd_->resume());
  expect_way_back("etcd");
  etcd_->kill();
  expect_failover("etcd", v1::FAILOVER_REASON_HEALTH_DEGRADED, "BACKEND_UNAVAILABLE");
  ASSERT_DONE(etcd_->restart(EtcdServer::Restart::kKeepState));
  expect_way_back("etcd");
  // And it is followed again, not only believed.
  ASSERT_DONE(etcd_->remove("/members/n2"));
  EXPECT_TRUE(consumer_->wait_for_members({"n1"})) << consumer_->describe();
}

TEST_F(EtcdFailover, R2_5_AnOldPasswordIsAFailureOfAuthenticationAndTheNewOneIsFound) {
  EtcdServer::Options options;
  options.auth = true;
  const std::string token_file = (daemon_.directory() / "user").string();
  run(options, token_file);
  ASSERT_DONE(etcd_->set_password("reader", "secret-2"));
  expect_failover("etcd", v1::FAILOVER_REASON_HEALTH_DEGRADED, "AUTH_FAILED");
  replace_file(token_file, "reader:secret-2\n");
  expect_way_back("etcd");
  EXPECT_EQ(daemon_.output().find("secret-"), std::string::npos);
}

}  // namespace
}  // namespace rollcall::test
