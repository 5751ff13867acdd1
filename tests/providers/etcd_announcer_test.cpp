// This node as a key of a real etcd: there with its lease, back after whatever took it away, gone
// when it is withdrawn or nobody keeps it alive; and nobody else's key.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "providers/etcd/etcd_client.h"
#include "providers/etcd/etcd_settings.h"
#include "tests/providers/announce_support.h"
#include "tests/providers/etcd_support.h"
#include "tests/providers/untrusted_server.h"

namespace rollcall::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using namespace std::chrono_literals;

class EtcdAnnouncer : public EtcdFixture {
 protected:
  void begin(EtcdServer::Options options = {}) {
    start(std::move(options));
    ASSERT_TRUE(server_);
    provider_ = create();
    announcer_ = provider_->announcer(what_);
    ASSERT_TRUE(announcer_);
  }
  MonoTime soon() const { return in(10s); }
  void register_node() {
    const auto announced = announcer_->register_node(soon());
    ASSERT_TRUE(announced.has_value()) << announced.error().message;
    EXPECT_EQ(announced->listed_as, NodeId("n1"));
    EXPECT_EQ(announced->ttl, what_.ttl);
    expect_listed(*provider_, what_, NodeId("n1"), clock_);
  }
  // The first word after an outage: a lease's time runs meanwhile.
  std::string standing_after_outage() { return text_of(announcer_->renew(soon())); }
  // As a stranger sees it.
  std::int64_t lease_of_key() {
    EtcdCalls calls;
    EtcdClient client({etcd_settings(descriptor()).endpoints, "", {}}, clock_, calls);
    etcdserverpb::RangeRequest request;
    request.set_key(key("n1"));
    const auto answer = client.range(request, soon());
    EXPECT_TRUE(answer.has_value()) << answer.error().message;
    return answer && answer->kvs_size() == 1 ? answer->kvs(0).lease() : -1;
  }

  Announcement what_ = announcement();
  std::unique_ptr<ClusterProvider> provider_;
  std::unique_ptr<Announcer> announcer_;
};

TEST_F(EtcdAnnouncer, TheNodeIsAKeyWithALeaseThatTheProviderReads) {
  begin();
  register_node();
  EXPECT_GT(lease_of_key(), 0);
  EXPECT_EQ(announcer_->registration(), "/members/n1");
  EXPECT_EQ(text_of(announcer_->renew(soon())), "KNOWN");
  EXPECT_EQ(text_of(announcer_->renew(soon())), "KNOWN");
}

TEST_F(EtcdAnnouncer, RegisteringAgainChangesNothing) {
  begin();
  register_node();
  const auto revision = server_->revision();
  const std::int64_t lease = lease_of_key();
  register_node();
  EXPECT_EQ(server_->revision(), revision);
  EXPECT_EQ(lease_of_key(), lease);
}

TEST_F(EtcdAnnouncer, AStreamOfTheProviderTellsOfIt) {
  begin();
  StreamReader stream(provider_->stream());
  EXPECT_EQ(news(stream), "snapshot[]");
  register_node();
  EXPECT_EQ(news(stream), "change[+n1]");
  ASSERT_TRUE(announcer_->withdraw(soon()).has_value());
  EXPECT_EQ(news(stream), "change[-n1]");
}

TEST_F(EtcdAnnouncer, IdsFromKeysAreThoseOfTheKey) {
  begin();
  what_.node.id = NodeId("zone-a/n1");
  provider_ = create({{"id", "key"}});
  announcer_ = provider_->announcer(what_);
  ASSERT_TRUE(announcer_->register_node(soon()).has_value());
  expect_listed(*provider_, what_, NodeId("zone-a/n1"), clock_);
}

TEST_F(EtcdAnnouncer, ARevokedLeaseIsNotKnownAndTheNodeComesBack) {
  begin();
  register_node();
  ASSERT_DONE(server_->revoke_lease(lease_of_key()));
  EXPECT_THAT(listed_ids(*provider_, clock_), IsEmpty());
  EXPECT_EQ(text_of(announcer_->renew(soon())), "NOT_KNOWN");
  EXPECT_EQ(text_of(announcer_->renew(soon())), "NOT_KNOWN");
  register_node();
}

TEST_F(EtcdAnnouncer, ADeletedKeyIsNotKnownThoughItsLeaseLives) {
  begin();
  register_node();
  drop("n1");
  EXPECT_EQ(text_of(announcer_->renew(soon())), "NOT_KNOWN");
  register_node();
}

TEST_F(EtcdAnnouncer, ARegistrationFindsByItselfThatItsLeaseIsGone) {
  begin();
  register_node();
  ASSERT_DONE(server_->revoke_lease(lease_of_key()));
  register_node();
  EXPECT_EQ(text_of(announcer_->renew(soon())), "KNOWN");
}

TEST_F(EtcdAnnouncer, AnEtcdThatLostItsStateIsToldAgain) {
  begin();
  register_node();
  ASSERT_DONE(server_->restart(EtcdServer::Restart::kEmptyState));
  EXPECT_EQ(standing_after_outage(), "NOT_KNOWN");
  register_node();
}

TEST_F(EtcdAnnouncer, AnEtcdThatKeptItsStateKnowsTheNode) {
  begin();
  register_node();
  ASSERT_DONE(server_->restart(EtcdServer::Restart::kKeepState));
  EXPECT_EQ(standing_after_outage(), "KNOWN");
}

TEST_F(EtcdAnnouncer, HoweverOftenItWasRefusedTheFirstRenewalAfterwardsIsAnswered) {
  begin();
  register_node();
  server_->kill();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(code_of(announcer_->renew(soon())), "BACKEND_UNAVAILABLE");
  ASSERT_DONE(server_->restart(EtcdServer::Restart::kKeepState));
  EXPECT_EQ(standing_after_outage(), "KNOWN");
}

TEST_F(EtcdAnnouncer, WithdrawnItIsGoneAtOnceAndTwiceIsNoError) {
  begin();
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");  // nothing was registered
  register_node();
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
  EXPECT_EQ(*server_->get(key("n1")), std::nullopt);
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
}

TEST_F(EtcdAnnouncer, WithdrawingALeaseThatIsGoneIsNoError) {
  begin();
  register_node();
  ASSERT_DONE(server_->revoke_lease(lease_of_key()));
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
}

TEST_F(EtcdAnnouncer, AKeyThatSomebodyElseWroteSinceStays) {
  begin();
  register_node();
  ASSERT_DONE(server_->put(key("n1"), member_json("n1")));
  EXPECT_EQ(text_of(announcer_->renew(soon())), "NOT_KNOWN");
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
  EXPECT_NE(*server_->get(key("n1")), std::nullopt);
}

TEST_F(EtcdAnnouncer, NobodyThatKeepsItAliveMeansGone) {
  what_ = announcement("n1", 2s);
  begin();
  const auto announced = announcer_->register_node(soon());
  ASSERT_TRUE(announced.has_value()) << announced.error().message;
  EXPECT_GE(announced->ttl, 2s);
  EXPECT_TRUE(eventually(kPatience, [&] { return !server_->get(key("n1"))->has_value(); }));
  EXPECT_EQ(text_of(announcer_->renew(soon())), "NOT_KNOWN");
}

TEST_F(EtcdAnnouncer, AnIdOfAnotherAddressIsNeverTakenOver) {
  begin();
  ASSERT_DONE(server_->put(key("n1"), member_json("n1"), *server_->grant_lease(1h)));
  auto refused = announcer_->register_node(soon());
  EXPECT_EQ(code_of(refused), "DUPLICATE_NAME");
  EXPECT_THAT(message_of(refused), HasSubstr("10.0.0.1:7000"));
  ASSERT_DONE(server_->put(key("n1"), member_json("n1")));  // without a lease: for ever
  refused = announcer_->register_node(soon());
  EXPECT_EQ(code_of(refused), "DUPLICATE_NAME");
  EXPECT_THAT(message_of(refused), HasSubstr("no lease"));
  ASSERT_DONE(server_->put(key("n1"), "no member"));
  EXPECT_EQ(code_of(announcer_->register_node(soon())), "DUPLICATE_NAME");
  EXPECT_EQ(*server_->get(key("n1")), "no member");
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
  EXPECT_EQ(*server_->get(key("n1")), "no member");
  drop("n1");
  register_node();
}

TEST_F(EtcdAnnouncer, WhatAnEarlierLifeOfThisNodeLeftIsTakenOver) {
  begin();
  register_node();
  const std::int64_t before = lease_of_key();
  announcer_.reset();  // as a kill -9 does
  announcer_ = provider_->announcer(what_);
  register_node();
  EXPECT_NE(lease_of_key(), before);
  ASSERT_DONE(server_->revoke_lease(before));
  EXPECT_EQ(text_of(announcer_->renew(soon())), "KNOWN");
}

TEST_F(EtcdAnnouncer, TheNextEndpointIsAskedWhenOneIsDead) {
  begin();
  ProviderDescriptor d = descriptor();
  d.endpoints.insert(d.endpoints.begin(), "http://127.0.0.1:" + std::to_string(free_ports(1)[0]));
  provider_ = create(d);
  announcer_ = provider_->announcer(what_);
  register_node();
  EXPECT_EQ(text_of(announcer_->renew(soon())), "KNOWN");
}

TEST_F(EtcdAnnouncer, TheNextEndpointIsAskedWhenOneIsNotTrusted) {
  begin();
  UntrustedServer untrusted;
  ProviderDescriptor d = descriptor();
  d.endpoints.insert(d.endpoints.begin(), untrusted.url());
  d.auth.ca_file = untrusted.ca_file();
  provider_ = create(d);
  announcer_ = provider_->announcer(what_);
  register_node();
}

TEST_F(EtcdAnnouncer, RefusalAndSilenceAreToldByTheirCodes) {
  begin();
  register_node();
  ASSERT_TRUE(server_->pause());
  EXPECT_EQ(code_of(announcer_->renew(in(300ms))), "TIMEOUT");
  EXPECT_EQ(code_of(announcer_->register_node(in(300ms))), "TIMEOUT");
  EXPECT_EQ(code_of(announcer_->withdraw(in(300ms))), "TIMEOUT");
  ASSERT_TRUE(server_->resume());
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
  server_->kill();
  EXPECT_EQ(code_of(announcer_->register_node(in(2s))), "BACKEND_UNAVAILABLE");
}

TEST_F(EtcdAnnouncer, ACallThatHangsIsCancelled) {
  begin();
  register_node();
  ASSERT_TRUE(server_->pause());
  expect_cancellable(*announcer_, [&] { return announcer_->renew(in(1h)); });
  EXPECT_EQ(code_of(announcer_->withdraw(in(1h))), "SHUTTING_DOWN");
}

TEST_F(EtcdAnnouncer, WritingThePrefixIsAllThePermissionItNeeds) {
  EtcdServer::Options options;
  options.auth = true;
  begin(options);
  ASSERT_DONE(server_->add_user("node", "right-secret"));
  ASSERT_DONE(server_->add_role("read", "/members/", EtcdServer::Access::kRead));
  ASSERT_DONE(server_->add_role("write", "/members/", EtcdServer::Access::kReadWrite));
  ASSERT_DONE(server_->grant_role("node", "read"));
  ProviderDescriptor d = descriptor();
  d.auth.token_file = token_file("node:wrong-secret");
  provider_ = create(d);
  announcer_ = provider_->announcer(what_);
  auto refused = announcer_->register_node(soon());
  EXPECT_EQ(code_of(refused), "AUTH_FAILED");
  EXPECT_THAT(message_of(refused), Not(HasSubstr("wrong-secret")));
  token_file("node:right-secret");
  refused = announcer_->register_node(soon());
  EXPECT_EQ(code_of(refused), "PERMISSION_DENIED") << message_of(refused);
  ASSERT_DONE(server_->grant_role("node", "write"));
  register_node();
  EXPECT_EQ(text_of(announcer_->renew(soon())), "KNOWN");
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
  EXPECT_EQ(*server_->get(key("n1")), std::nullopt);
}

}  // namespace
}  // namespace rollcall::test
