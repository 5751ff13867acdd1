// NEEDS: etcd
// A real sidecar that announces its node in a real etcd.
#include "tests/backends/assert_done.h"
#include "tests/backends/etcd_server.h"
#include "tests/daemon/announce_fixture.h"

namespace rollcall::test {
namespace {

constexpr char kKey[] = "/members/n1";

class AnnounceEtcd : public AnnounceFixture {
 protected:
  void begin(const std::string& more = "ttl: 3s") {
    auto server = EtcdServer::start();
    ASSERT_TRUE(server) << server.error();
    server_ = std::move(*server);
    daemon_.set_config(
        "admission: {allow_unreachable: true}\n"
        "failover: {backoff: 100ms, backoff_max: 500ms}\n"
        "providers: [{id: etcd, kind: etcd, priority: 10, endpoints: ['" +
        server_->url() + "'], watch_params: {prefix: /members, attest_ms: 200}}]\n" +
        announce_section("etcd", more));
    const auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
    ASSERT_TRUE(state_becomes("LISTED"));
  }
  // For somebody who looks at etcd from outside.
  bool key_is_there() {
    const auto value = server_->get(kKey);
    return value && value->has_value();
  }
  bool key_comes_to(bool there) {
    return eventually(kHungProgram, [&] { return key_is_there() == there; });
  }

  std::unique_ptr<EtcdServer> server_;
};

TEST_F(AnnounceEtcd, ItIsInTheOwnListAndThereForOthers) {
  begin();
  EXPECT_TRUE(serves_node());
  EXPECT_TRUE(key_is_there());
  const v1::AnnouncementState state = announcement();
  EXPECT_EQ(state.provider_id(), "etcd");
  EXPECT_EQ(state.listed_as(), "n1");
  EXPECT_EQ(state.last_error_code(), "");
  EXPECT_TRUE(becomes("renewed", [](const auto& a) { return a.renewals() >= 3; }));
  EXPECT_TRUE(daemon_.told("announced"));
  EXPECT_EQ(metric(R"(rollcall_announce_state{provider="etcd",state="LISTED"})"), 1);
  EXPECT_GE(metric(R"(rollcall_announce_calls_total{call="register",code="OK",provider="etcd"})"),
            1);
}

TEST_F(AnnounceEtcd, WhoDeletesTheKeyOrLosesTheStateGetsItBack) {
  begin();
  ASSERT_TRUE(server_->remove(kKey));
  EXPECT_TRUE(key_comes_to(true));
  EXPECT_TRUE(
      becomes("lost once", [](const auto& a) { return a.lost() >= 1 && a.state() == "LISTED"; }));
  const auto restarted = server_->restart(EtcdServer::Restart::kEmptyState);
  ASSERT_TRUE(restarted) << restarted.error();
  EXPECT_TRUE(key_comes_to(true));
  EXPECT_TRUE(state_becomes("LISTED"));
  EXPECT_TRUE(daemon_.told("announce_lost"));
}

TEST_F(AnnounceEtcd, AnOutageDisturbsNothingAndIsTold) {
  begin();
  server_->kill();
  EXPECT_TRUE(state_becomes("UNRENEWED"));
  EXPECT_EQ(announcement().last_error_code(), "BACKEND_UNAVAILABLE");
  EXPECT_TRUE(daemon_.told("announce_failed"));
  EXPECT_TRUE(serves_node());
  const auto restarted = server_->restart(EtcdServer::Restart::kKeepState);
  ASSERT_TRUE(restarted) << restarted.error();
  EXPECT_TRUE(state_becomes("LISTED"));
}

TEST_F(AnnounceEtcd, DrainingWithdrawsBeforeTheEnd) {
  begin("ttl: 1h");
  const auto ended = daemon_.stop();
  ASSERT_TRUE(ended.has_value());
  EXPECT_TRUE(ended->ok()) << ended->code << " " << ended->signal;
  EXPECT_FALSE(key_is_there());
  EXPECT_TRUE(daemon_.told("announce_withdrawn"));
}

TEST_F(AnnounceEtcd, DrainingWithABackendThatHangsStillEndsInOrder) {
  begin();
  ASSERT_TRUE(server_->pause());
  const auto ended = daemon_.stop();
  ASSERT_TRUE(ended.has_value());
  EXPECT_TRUE(ended->ok()) << ended->code << " " << ended->signal;
  EXPECT_TRUE(daemon_.told("announce_left_to_ttl"));
  ASSERT_TRUE(server_->resume());
  EXPECT_TRUE(key_comes_to(false));  // by its lease
}

TEST_F(AnnounceEtcd, KilledItIsGoneAfterItsLeaseAndBackWithTheNextStart) {
  begin();
  daemon_.kill();
  EXPECT_TRUE(key_comes_to(false));
  const auto started = daemon_.start();
  ASSERT_TRUE(started) << started.error();
  EXPECT_TRUE(state_becomes("LISTED"));
  EXPECT_TRUE(key_is_there());
}

TEST_F(AnnounceEtcd, AnOperatorsDrainWithdrawsWhileTheLastTopologyIsStillServed) {
  begin("ttl: 1h");
  ASSERT_DONE(daemon_.admin().drain());
  EXPECT_TRUE(key_comes_to(false));
  const auto ended = daemon_.process().wait(kHungProgram);
  ASSERT_TRUE(ended.has_value());
  EXPECT_TRUE(ended->ok()) << ended->code << " " << ended->signal;
}

TEST_F(AnnounceEtcd, ASidecarThatCannotListenAnnouncesNothing) {
  auto server = EtcdServer::start();
  ASSERT_TRUE(server) << server.error();
  server_ = std::move(*server);
  daemon_.set_config("providers: [{id: etcd, kind: etcd, endpoints: ['" + server_->url() +
                     "'], watch_params: {prefix: /members}}]\n" + announce_section("etcd"));
  daemon_.add_argument("--grpc-listen");
  daemon_.add_argument(server_->address());  // taken
  const auto ended = daemon_.start_and_fail();
  ASSERT_TRUE(ended) << ended.error();
  EXPECT_EQ(ended->code, 6) << daemon_.output();
  EXPECT_FALSE(key_is_there());
}

TEST_F(AnnounceEtcd, ARemovedProviderTakesTheNodeWithIt) {
  auto server = EtcdServer::start();
  ASSERT_TRUE(server) << server.error();
  server_ = std::move(*server);
  daemon_.set_config(announce_section("etcd", "ttl: 1h"));
  const auto started = daemon_.start();
  ASSERT_TRUE(started) << started.error();
  ProviderDescriptor d;
  d.id = ProviderId("etcd");
  d.kind = "etcd";
  d.endpoints = {server_->url()};
  d.watch_params = {{"prefix", "/members"}, {"attest_ms", "200"}};
  ASSERT_DONE(daemon_.admin().register_provider(d));
  ASSERT_TRUE(state_becomes("LISTED"));
  // Replaced by one of another prefix: registered there, and withdrawn here.
  d.watch_params["prefix"] = "/elsewhere";
  ASSERT_DONE(daemon_.admin().update_provider(d));
  EXPECT_TRUE(eventually(kHungProgram, [&] {
    const auto value = server_->get("/elsewhere/n1");
    return value && value->has_value();
  }));
  EXPECT_TRUE(key_comes_to(false));
  ASSERT_TRUE(state_becomes("LISTED"));
  ASSERT_DONE(daemon_.admin().remove_provider(ProviderId("etcd")));
  EXPECT_TRUE(state_becomes("WAITING"));
  EXPECT_EQ(*server_->get("/elsewhere/n1"), std::nullopt);
}

}  // namespace
}  // namespace rollcall::test
