// This node as a service of a real Consul agent: in the provider's own list and for strangers, back
// after whatever took it away, critical when nobody renews it; and never twice.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "providers/consul/consul_provider.h"
#include "tests/backends/assert_done.h"
#include "tests/backends/consul_agent.h"
#include "tests/providers/announce_support.h"

namespace rollcall::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using namespace std::chrono_literals;

using Params = std::map<std::string, std::string>;

class ConsulAnnouncer : public ::testing::Test {
 protected:
  // Somebody else's instance under the node's id.
  static Outcome<void> register_stranger(ConsulAgent& agent) {
    return agent.register_service({.name = "web",
                                   .id = "n1",
                                   .address = "10.0.0.1",
                                   .port = 80,
                                   .tags = {},
                                   .meta = {},
                                   .status = {}});
  }
  void start(ConsulAgent::Options options = {}) {
    auto agent = ConsulAgent::start(std::move(options));
    ASSERT_TRUE(agent) << agent.error();
    agent_ = std::move(*agent);
  }
  // An agent of the same cluster, with services of its own.
  void start_second() {
    ConsulAgent::Options options;
    options.node_name = "agent-2";
    options.join = agent_->cluster_address();
    auto agent = ConsulAgent::start(std::move(options));
    ASSERT_TRUE(agent) << agent.error();
    second_ = std::move(*agent);
  }
  // As a node that once came to the second agent, and whose announcer is another one now.
  void leave_node_at_second(const Params& params, const std::string& listed_as) {
    use(params, "", {second_->url()});
    register_node(listed_as);
    use(params, "", {agent_->url(), second_->url()});
  }
  void use(Params params = {}, const std::string& token_file = "",
           std::vector<std::string> endpoints = {}) {
    ProviderDescriptor d;
    d.id = ProviderId("c");
    d.kind = "consul";
    d.endpoints = endpoints.empty() ? std::vector{agent_->url()} : std::move(endpoints);
    d.auth.token_file = token_file;
    d.watch_params = std::move(params);
    d.watch_params.try_emplace("service", "web");
    d.watch_params.try_emplace("wait_ms", "100");
    d.watch_params.try_emplace("id", "service");
    auto provider = make_consul_factory()->create(d, {&clock_, nullptr, ""});
    ASSERT_TRUE(provider.has_value()) << provider.error().message;
    provider_ = std::move(*provider);
    announcer_ = provider_->announcer(what_);
    ASSERT_TRUE(announcer_);
  }
  MonoTime in(Duration d) const { return clock_.now() + d; }
  MonoTime soon() const { return in(10s); }
  void register_node(const std::string& listed_as = "n1") {
    const auto announced = announcer_->register_node(soon());
    ASSERT_TRUE(announced.has_value()) << announced.error().message;
    EXPECT_EQ(announced->listed_as, NodeId(listed_as));
    EXPECT_EQ(announced->ttl, what_.ttl);
    expect_in_list(listed_as);
  }
  // The agent tells the servers a moment later.
  void expect_in_list(const std::string& listed_as) {
    EXPECT_TRUE(comes_to_list({listed_as}));
    expect_listed(*provider_, what_, NodeId(listed_as), clock_);
  }
  bool comes_to_list(const std::vector<std::string>& ids) {
    return eventually(kPatience, [&] { return listed_ids(*provider_, clock_) == ids; });
  }
  std::string token_file(const std::string& token) {
    const auto path = directory_ / "token";
    write_file(path, token + "\n");
    return path.string();
  }
  // As a stranger sees it: "passing", "critical", "" (not there).
  std::string status_of(const std::string& service_id, const std::string& service = "web") {
    const auto answer = agent_->request("GET", "/v1/health/service/" + service);
    if (!answer) return answer.error();
    const std::size_t at = answer->body.find("\"service:" + service_id + "\"");
    if (at == std::string::npos) return "";
    const std::size_t status = answer->body.find("\"Status\":", at);
    const std::size_t open = answer->body.find('"', status + 9);
    return answer->body.substr(open + 1, answer->body.find('"', open + 1) - open - 1);
  }

  RealClock clock_;
  TempDir directory_;
  std::unique_ptr<ConsulAgent> agent_;
  std::unique_ptr<ConsulAgent> second_;  // a client of agent_'s cluster: ends before it
  Announcement what_ = announcement();
  std::unique_ptr<ClusterProvider> provider_;
  std::unique_ptr<Announcer> announcer_;
};

TEST_F(ConsulAnnouncer, TheNodeIsInTheOwnListAndPassingForStrangers) {
  start();
  use();
  register_node();
  EXPECT_EQ(status_of("n1"), "passing");
  EXPECT_EQ(text_of(announcer_->renew(soon())), "KNOWN");
  register_node();  // again changes nothing
  EXPECT_THAT(listed_ids(*provider_, clock_), ElementsAre("n1"));
}

TEST_F(ConsulAnnouncer, TheIdIsWhatTheProviderReads) {
  start();
  use({{"id", "node/service"}});
  register_node("agent-1/n1");
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
  use({{"id", "node"}});
  register_node("agent-1");
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
  use({{"id", "meta:member"}});
  register_node("n1");
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
}

TEST_F(ConsulAnnouncer, AnIdThatNamesItsAgentIsListedAsItIs) {
  start();
  what_.node.id = NodeId("agent-1/n1");
  use({{"id", "node/service"}});
  register_node("agent-1/n1");
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
  what_.node.id = NodeId("elsewhere/n1");
  use({{"id", "node/service"}});
  const auto refused = announcer_->register_node(soon());
  EXPECT_EQ(code_of(refused), "INVALID_CONFIG");
  EXPECT_THAT(message_of(refused), HasSubstr("agent-1/n1"));
  EXPECT_TRUE(comes_to_list({}));
  EXPECT_EQ(code_of(announcer_->register_node(soon())), "INVALID_CONFIG");
}

TEST_F(ConsulAnnouncer, ATagThatTheProviderWantsIsGiven) {
  start();
  use({{"tag", "blue"}});
  register_node();
}

TEST_F(ConsulAnnouncer, OneThatWasDeregisteredBehindOurBackIsNotKnownAndComesBack) {
  start();
  use();
  register_node();
  ASSERT_DONE(agent_->deregister_service("n1"));
  EXPECT_EQ(text_of(announcer_->renew(soon())), "NOT_KNOWN");
  register_node();
}

TEST_F(ConsulAnnouncer, AnAgentThatLostItsStateIsToldAgain) {
  start();
  use();
  register_node();
  agent_->kill();
  EXPECT_EQ(code_of(announcer_->renew(soon())), "BACKEND_UNAVAILABLE");
  ASSERT_DONE(agent_->restart(ConsulAgent::Restart::kEmptyState));
  EXPECT_EQ(text_of(announcer_->renew(soon())), "NOT_KNOWN");
  register_node();
}

TEST_F(ConsulAnnouncer, ACriticalCheckPassesAgainByRenewingAndByRegistering) {
  start();
  use();
  register_node();
  for (const bool renewing : {true, false}) {
    const auto failed =
        agent_->request("PUT", "/v1/agent/check/update/service:n1", R"({"Status":"critical"})");
    ASSERT_TRUE(failed && failed->status == 200);
    EXPECT_TRUE(eventually(kPatience, [&] { return status_of("n1") == "critical"; }));
    if (renewing) {
      EXPECT_EQ(text_of(announcer_->renew(soon())), "KNOWN");
    } else {
      EXPECT_EQ(code_of(announcer_->register_node(soon())), "OK");
    }
    EXPECT_TRUE(eventually(kPatience, [&] { return status_of("n1") == "passing"; }));
  }
}

TEST_F(ConsulAnnouncer, WithdrawnItIsGoneAndTwiceIsNoError) {
  start();
  use();
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");  // nothing was registered
  register_node();
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
  EXPECT_TRUE(comes_to_list({}));
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
  register_node();
  ASSERT_DONE(agent_->deregister_service("n1"));
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
}

TEST_F(ConsulAnnouncer, NobodyThatRenewsItMeansCritical) {
  start();
  what_ = announcement("n1", 1s);
  use();
  ASSERT_EQ(code_of(announcer_->register_node(soon())), "OK");
  EXPECT_TRUE(eventually(kPatience, [&] { return status_of("n1") == "critical"; }));
  const auto list = provider_->initial_snapshot(soon());
  ASSERT_TRUE(list.has_value());
  ASSERT_EQ(list->members.size(), 1u);
  EXPECT_EQ(list->members[0].status, NodeStatus::NotReady);
}

TEST_F(ConsulAnnouncer, AServiceIdOfAnotherAddressIsNeverTakenOver) {
  start();
  use();
  ASSERT_DONE(register_stranger(*agent_));
  const auto refused = announcer_->register_node(soon());
  EXPECT_EQ(code_of(refused), "DUPLICATE_NAME");
  EXPECT_THAT(message_of(refused), HasSubstr("10.0.0.1:80"));
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
  EXPECT_THAT(listed_ids(*provider_, clock_), ElementsAre("n1"));
  ASSERT_DONE(agent_->deregister_service("n1"));
  register_node();
}

TEST_F(ConsulAnnouncer, AnIdOnAnotherAgentIsRefusedWhereItWouldBeThereTwice) {
  start();
  const ConsulAgent::Service elsewhere{.name = "web",
                                       .id = "n1",
                                       .address = "10.0.0.7",
                                       .port = 7000,
                                       .tags = {},
                                       .meta = {{"member", "n1"}},
                                       .status = {}};
  ASSERT_DONE(agent_->register_on_node("agent-2", "10.0.0.2", elsewhere));
  for (const char* id : {"service", "meta:member"}) {
    use({{"id", id}});
    const auto refused = announcer_->register_node(soon());
    EXPECT_EQ(code_of(refused), "DUPLICATE_NAME");
    EXPECT_THAT(message_of(refused), HasSubstr("agent-2"));
    EXPECT_THAT(listed_ids(*provider_, clock_), ElementsAre("n1"));
  }
  use({{"id", "node/service"}});  // here they are two ids
  ASSERT_EQ(code_of(announcer_->register_node(soon())), "OK");
  EXPECT_TRUE(comes_to_list({"agent-1/n1", "agent-2/n1"}));
}

TEST_F(ConsulAnnouncer, WhatAnEarlierLifeOfThisNodeLeftIsTakenOver) {
  start();
  use();
  register_node();
  use();  // another announcer, as after a kill -9
  register_node();
  EXPECT_EQ(text_of(announcer_->renew(soon())), "KNOWN");
}

TEST_F(ConsulAnnouncer, AnotherServiceNameTakesThePlaceOfTheFormer) {
  start();
  use();
  register_node();
  const auto former = std::move(announcer_);
  use({{"service", "web2"}});
  // An agent has one service of an id, whatever its name: to withdraw the former would take the
  // node out.
  EXPECT_EQ(announcer_->registration(), former->registration());
  register_node();
  EXPECT_EQ(text_of(announcer_->renew(soon())), "KNOWN");
  EXPECT_TRUE(eventually(kPatience, [&] { return status_of("n1") == ""; }));
  EXPECT_EQ(status_of("n1", "web2"), "passing");
}

TEST_F(ConsulAnnouncer, OneNameMeansOnePlace) {
  start();
  const auto name_with = [&](Params params) {
    use(std::move(params));
    return announcer_->registration();
  };
  const std::string name = name_with({});
  EXPECT_EQ(name_with({{"namespace", "default"}}), name);
  EXPECT_EQ(name_with({{"id", "node/service"}}), name);
  EXPECT_NE(name_with({{"namespace", "blue"}}), name);
  what_.node.id = NodeId("agent-1/n1");
  EXPECT_EQ(name_with({{"id", "node/service"}}), name);
  what_.node.id = NodeId("n2");
  EXPECT_NE(name_with({}), name);
}

TEST_F(ConsulAnnouncer, AnotherAnnouncerStaysWithTheAgentThatHasTheNode) {
  start();
  ASSERT_NO_FATAL_FAILURE(start_second());
  const std::vector<std::pair<Params, std::string>> cases{{{{"id", "service"}}, "n1"},
                                                          {{{"id", "meta:member"}}, "n1"},
                                                          {{{"id", "node/service"}}, "agent-2/n1"}};
  for (const auto& [params, listed_as] : cases) {
    SCOPED_TRACE(params.at("id"));
    leave_node_at_second(params, listed_as);
    register_node(listed_as);
    EXPECT_EQ(text_of(announcer_->renew(soon())), "KNOWN");
    EXPECT_THAT(listed_ids(*provider_, clock_), ElementsAre(listed_as));
    EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
    EXPECT_TRUE(comes_to_list({}));
  }
}

TEST_F(ConsulAnnouncer, AnotherServiceNameIsTakenToTheAgentThatHasTheNode) {
  start();
  ASSERT_NO_FATAL_FAILURE(start_second());
  leave_node_at_second({}, "n1");
  use({{"service", "web2"}}, "", {agent_->url(), second_->url()});
  register_node();
  EXPECT_TRUE(eventually(kPatience, [&] { return status_of("n1") == ""; }));
  EXPECT_EQ(status_of("n1", "web2"), "passing");
}

TEST_F(ConsulAnnouncer, WhileTheAgentThatHasTheNodeIsSilentItIsNotThereTwice) {
  start();
  ASSERT_NO_FATAL_FAILURE(start_second());
  leave_node_at_second({}, "n1");
  ASSERT_TRUE(second_->pause());
  const auto refused = announcer_->register_node(in(2s));
  EXPECT_EQ(code_of(refused), "DUPLICATE_NAME") << message_of(refused);
  ASSERT_TRUE(second_->resume());
  const auto announced = announcer_->register_node(soon());
  EXPECT_EQ(code_of(announced), "OK") << message_of(announced);
  EXPECT_EQ(text_of(announcer_->renew(soon())), "KNOWN");
  // The cluster has taken its silence for a failure of the agent: until it hears of it again.
  EXPECT_TRUE(eventually(kPatience, [&] {
    const auto list = provider_->initial_snapshot(soon());
    return list && list->members.size() == 1 && list->members[0].status == NodeStatus::Ready;
  }));
  expect_in_list("n1");
}

TEST_F(ConsulAnnouncer, ASilentEndpointLeavesTimeForTheNext) {
  start();
  ASSERT_NO_FATAL_FAILURE(start_second());
  use({}, "", {second_->url(), agent_->url()});
  ASSERT_TRUE(second_->pause());
  const auto announced = announcer_->register_node(in(3s));
  EXPECT_EQ(code_of(announced), "OK") << message_of(announced);
  EXPECT_EQ(status_of("n1"), "passing");
}

TEST_F(ConsulAnnouncer, SomebodyElsesIdAtAnotherEndpointIsNotTheHomeOfTheNode) {
  start();
  ASSERT_NO_FATAL_FAILURE(start_second());
  ASSERT_DONE(register_stranger(*second_));
  use({{"id", "node/service"}}, "", {agent_->url(), second_->url()});
  const auto announced = announcer_->register_node(soon());
  ASSERT_TRUE(announced.has_value()) << announced.error().message;
  EXPECT_EQ(announced->listed_as, NodeId("agent-1/n1"));
  EXPECT_TRUE(comes_to_list({"agent-1/n1", "agent-2/n1"}));
}

TEST_F(ConsulAnnouncer, AnIdThatNamesAnotherAgentThanItsHomeMovesThere) {
  start();
  ASSERT_NO_FATAL_FAILURE(start_second());
  leave_node_at_second({{"id", "node/service"}}, "agent-2/n1");
  what_.node.id = NodeId("agent-1/n1");
  use({{"id", "node/service"}}, "", {agent_->url(), second_->url()});
  register_node("agent-1/n1");
  EXPECT_TRUE(comes_to_list({"agent-1/n1"}));
}

TEST_F(ConsulAnnouncer, ADeadEndpointIsPassedOverAndTheOneThatTookItKept) {
  start();
  const std::string dead = "http://127.0.0.1:" + std::to_string(free_ports(1)[0]);
  use({}, "", {dead, agent_->url()});
  register_node();
  // It stays with that agent, whose outage is an error and no reason to go elsewhere.
  agent_->kill();
  const auto renewed = announcer_->renew(soon());
  EXPECT_EQ(code_of(renewed), "BACKEND_UNAVAILABLE");
  EXPECT_THAT(message_of(renewed), HasSubstr(agent_->url()));
  const auto registered = announcer_->register_node(soon());
  EXPECT_THAT(message_of(registered), HasSubstr(agent_->url()));
  EXPECT_THAT(message_of(registered), Not(HasSubstr(dead)));
}

TEST_F(ConsulAnnouncer, RefusalAndSilenceAreToldByTheirCodes) {
  start();
  use();
  register_node();
  ASSERT_TRUE(agent_->pause());
  EXPECT_EQ(code_of(announcer_->renew(in(300ms))), "TIMEOUT");
  EXPECT_EQ(code_of(announcer_->register_node(in(300ms))), "TIMEOUT");
  EXPECT_EQ(code_of(announcer_->withdraw(in(300ms))), "TIMEOUT");
  ASSERT_TRUE(agent_->resume());
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
}

TEST_F(ConsulAnnouncer, ACallThatHangsIsCancelled) {
  start();
  use();
  register_node();
  ASSERT_TRUE(agent_->pause());
  expect_cancellable(*announcer_, [&] { return announcer_->renew(in(1h)); });
  EXPECT_FALSE(announcer_->withdraw(in(1h)).has_value());
}

TEST_F(ConsulAnnouncer, WhatConsulDoesNotTakeIsInvalid) {
  start();
  what_.node.labels["no good key"] = "x";
  use();
  const auto refused = announcer_->register_node(soon());
  EXPECT_EQ(code_of(refused), "INVALID_CONFIG");
  EXPECT_THAT(message_of(refused), HasSubstr("no good key"));
}

TEST_F(ConsulAnnouncer, WritingTheServiceIsThePermissionItNeeds) {
  ConsulAgent::Options options;
  options.acl = true;
  start(std::move(options));
  use({{"id", "node/service"}}, token_file("7b1a8c5e-0000-4000-8000-00000000dead"));
  auto refused = announcer_->register_node(soon());
  EXPECT_EQ(code_of(refused), "AUTH_FAILED");
  EXPECT_THAT(message_of(refused), Not(HasSubstr("7b1a8c5e")));
  const auto reader = agent_->create_token(
      R"(service "web" { policy = "read" } node_prefix "" { policy = "read" })");
  ASSERT_TRUE(reader) << reader.error();
  token_file(*reader);
  refused = announcer_->register_node(soon());
  EXPECT_EQ(code_of(refused), "PERMISSION_DENIED") << message_of(refused);
  // The provider's own permission to read beside it, as its page says.
  const auto writer = agent_->create_token(
      R"(service "web" { policy = "write" } node_prefix "" { policy = "read" })");
  ASSERT_TRUE(writer) << writer.error();
  token_file(*writer);
  register_node("agent-1/n1");
  EXPECT_EQ(text_of(announcer_->renew(soon())), "KNOWN");
  ASSERT_DONE(agent_->revoke_token(*writer));
  EXPECT_TRUE(
      eventually(kPatience, [&] { return code_of(announcer_->renew(soon())) == "AUTH_FAILED"; }));
}

TEST_F(ConsulAnnouncer, ReplacingAFormerServiceNameNeedsThePermissionForBoth) {
  ConsulAgent::Options options;
  options.acl = true;
  start(std::move(options));
  use({}, token_file(agent_->management_token()));
  register_node();
  const std::string both = R"(service "web2" { policy = "write" } node_prefix "" { policy = "read" }
                              service "web" { policy = )";
  const auto token = agent_->create_token(both + R"("read" })");
  ASSERT_TRUE(token) << token.error();
  use({{"service", "web2"}}, token_file(*token));
  EXPECT_EQ(code_of(announcer_->register_node(soon())), "PERMISSION_DENIED");
  EXPECT_EQ(status_of("n1"), "passing");
  ASSERT_DONE(agent_->replace_rules(*token, both + R"("write" })"));
  EXPECT_TRUE(
      eventually(kPatience, [&] { return code_of(announcer_->register_node(soon())) == "OK"; }));
  expect_in_list("n1");
}

}  // namespace
}  // namespace rollcall::test
