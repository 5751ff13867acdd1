// The Consul provider against a real agent on loopback: services that come, fail and go, silence,
// refusal, lost state, bad and filtering tokens, TLS.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "providers/consul/consul_provider.h"
#include "tests/backends/assert_done.h"
#include "tests/backends/consul_agent.h"
#include "tests/providers/provider_support.h"
#include "tests/providers/test_certificates.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;

ConsulAgent::Service service(const std::string& name, const std::string& id) {
  ConsulAgent::Service service;
  service.name = name;
  service.id = id;
  service.port = 80;
  return service;
}

using Params = std::map<std::string, std::string>;

class ConsulAgentProvider : public ::testing::Test {
 protected:
  void start(ConsulAgent::Options options = {}) {
    auto agent = ConsulAgent::start(std::move(options));
    ASSERT_TRUE(agent) << agent.error();
    agent_ = std::move(*agent);
  }
  void add(const std::string& id, std::map<std::string, std::string> meta = {},
           const std::string& status = "passing", std::vector<std::string> tags = {}) {
    ASSERT_DONE(agent_->register_service({.name = "web",
                                          .id = id,
                                          .address = "10.0.0.1",
                                          .port = 80,
                                          .tags = std::move(tags),
                                          .meta = std::move(meta),
                                          .status = status}));
  }
  std::unique_ptr<ClusterProvider> create(Params params = {}, const std::string& token_file = "",
                                          std::vector<std::string> endpoints = {}) {
    ProviderDescriptor d;
    d.id = ProviderId("c");
    d.kind = "consul";
    d.endpoints = endpoints.empty() ? std::vector{agent_->url()} : std::move(endpoints);
    d.auth.token_file = token_file;
    d.auth.ca_file = ca_file_;
    d.watch_params = std::move(params);
    d.watch_params.try_emplace("service", "web");
    d.watch_params.try_emplace("wait_ms", "100");
    d.watch_params.try_emplace("id", "service");
    auto provider = make_consul_factory()->create(d, {&clock_, nullptr, ""});
    EXPECT_TRUE(provider.has_value()) << (provider ? "" : provider.error().message);
    return provider ? std::move(*provider) : nullptr;
  }
  std::string token_file(const std::string& token) {
    const auto path = directory_ / "token";
    write_file(path, token + "\n");
    return path.string();
  }
  // What an event says that is neither "unchanged" nor (unless wanted) a failure.
  static std::string news(StreamReader& stream) {
    return to_text(stream.until(
        [](const ProviderEvent& e) { return std::holds_alternative<ProviderSnapshot>(e); }));
  }
  static FailedAnswer failure(StreamReader& stream) {
    const ProviderEvent event = stream.until(
        [](const ProviderEvent& e) { return std::holds_alternative<FailedAnswer>(e); });
    const auto* failed = std::get_if<FailedAnswer>(&event);
    return failed == nullptr ? FailedAnswer{ErrorCode::NotFound, to_text(event)} : *failed;
  }
  static std::string first_that_is_no_failure(StreamReader& stream) {
    return to_text(stream.until(
        [](const ProviderEvent& e) { return !std::holds_alternative<FailedAnswer>(e); }));
  }
  // Until the stream holds exactly these members; intermediate states are allowed.
  static void until_members(StreamReader& stream, const std::string& wanted) {
    stream.until([&](const ProviderEvent& e) { return to_text(e) == "snapshot[" + wanted + "]"; });
  }

  RealClock clock_;
  TempDir directory_;
  std::string ca_file_;
  std::unique_ptr<ConsulAgent> agent_;
};

TEST_F(ConsulAgentProvider, R2_1_ServicesComeFailAndGo) {
  start();
  add("a");
  StreamReader stream(
      create({{"wait_ms", "10000"}})->stream());  // the default: changes cut it short
  until_members(stream, "a");
  add("b", {{"rollcall-incarnation", "7"}, {"zone", "z1"}});
  const ProviderEvent joined =
      stream.until([](const ProviderEvent& e) { return to_text(e) == "snapshot[a b]"; });
  const auto* snapshot = std::get_if<ProviderSnapshot>(&joined);
  ASSERT_NE(snapshot, nullptr);
  for (const ClusterNode& node : snapshot->members) {
    if (node.id.str() != "b") continue;
    EXPECT_EQ(node.incarnation, "7");
    EXPECT_EQ(node.zone, "z1");
    EXPECT_EQ(node.host, "10.0.0.1");
    EXPECT_EQ(node.port, 80);
  }
  const auto status_of_b = [&](NodeStatus wanted) {
    stream.until([&](const ProviderEvent& e) {
      const auto* s = std::get_if<ProviderSnapshot>(&e);
      if (s == nullptr) return false;
      return std::any_of(s->members.begin(), s->members.end(), [&](const ClusterNode& node) {
        return node.id.str() == "b" && node.status == wanted;
      });
    });
  };
  ASSERT_DONE(agent_->set_status("b", "critical"));
  status_of_b(NodeStatus::NotReady);
  ASSERT_DONE(agent_->set_status("b", "warning"));
  status_of_b(NodeStatus::Ready);
  ASSERT_DONE(agent_->request("PUT", "/v1/agent/service/maintenance/b?enable=true"));
  status_of_b(NodeStatus::Draining);
  ASSERT_DONE(agent_->deregister_service("a"));
  until_members(stream, "b");
  ASSERT_DONE(agent_->deregister_service("b"));
  until_members(stream, "");  // R2.4: confirmed empty, and nothing else is
}

TEST_F(ConsulAgentProvider, AQuietServiceIsAttested) {
  start();
  add("a");
  StreamReader stream(create()->stream());
  until_members(stream, "a");
  for (int i = 0; i < 3; ++i) {
    stream.until([](const ProviderEvent& e) { return to_text(e) == "unchanged"; });
  }
}

TEST_F(ConsulAgentProvider, SilenceIsATimeoutAndPasses) {
  start();
  add("a");
  StreamReader stream(create()->stream());
  until_members(stream, "a");
  ASSERT_TRUE(agent_->pause());
  EXPECT_EQ(failure(stream).code, ErrorCode::Timeout);
  ASSERT_TRUE(agent_->resume());
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");  // the same members, none told anew
}

TEST_F(ConsulAgentProvider, LostStateIsARollbackAndANewLineage) {
  start();
  for (const char* id : {"a", "b", "c"}) add(id);
  StreamReader stream(create()->stream());
  until_members(stream, "a b c");
  // Drives the index well above what an empty agent starts with.
  for (int i = 0; i < 40; ++i) {
    ASSERT_DONE(agent_->set_status("a", i % 2 == 0 ? "warning" : "passing"));
    ASSERT_DONE(
        agent_->register_on_node("x" + std::to_string(i), "10.1.0.1", service("other", "other")));
  }
  ASSERT_DONE(agent_->register_on_node("n9", "10.9.0.1", service("web", "z")));
  until_members(stream, "a b c z");
  agent_->kill();
  EXPECT_EQ(failure(stream).code, ErrorCode::BackendUnavailable);
  ASSERT_DONE(agent_->restart(ConsulAgent::Restart::kEmptyState));
  const ProviderEvent rollback = stream.until([](const ProviderEvent& e) {
    const auto* failed = std::get_if<FailedAnswer>(&e);
    return failed != nullptr && failed->code == ErrorCode::IndexRollback;
  });
  ASSERT_TRUE(std::holds_alternative<FailedAnswer>(rollback));
  const ProviderEvent fresh = stream.until(
      [](const ProviderEvent& e) { return std::holds_alternative<ProviderSnapshot>(e); });
  ASSERT_TRUE(std::holds_alternative<ProviderSnapshot>(fresh));
  EXPECT_EQ(std::get<ProviderSnapshot>(fresh).lineage, 1u);
}

TEST_F(ConsulAgentProvider, TokensThatAreBadDeniedOrFiltered) {
  ConsulAgent::Options options;
  options.acl = true;
  start(options);
  add("a");
  const std::string path = token_file("11111111-2222-3333-4444-555555555555");
  auto provider = create({}, path);
  const auto check =
      provider->check_connectivity(clock_.now() + Duration(limits::kConnectivityDeadline));
  ASSERT_FALSE(check.has_value());
  EXPECT_EQ(check.error().code, ErrorCode::AuthFailed);
  EXPECT_THAT(check.error().message, ::testing::Not(HasSubstr("11111111")));

  StreamReader stream(provider->stream());
  EXPECT_EQ(failure(stream).code, ErrorCode::AuthFailed);
  // Rotation: the file is read again after the refusal, without a restart.
  const auto reader = agent_->create_token(
      R"(service_prefix "" { policy = "read" } node_prefix "" { policy = "read" })");
  ASSERT_TRUE(reader) << reader.error();
  token_file(*reader);
  until_members(stream, "a");
  // Its rules are taken away: Consul answers 200 and an empty list, which is filtered, not empty.
  ASSERT_DONE(agent_->replace_rules(*reader, R"(key_prefix "" { policy = "read" })"));
  const FailedAnswer filtered = failure(stream);
  EXPECT_EQ(filtered.code, ErrorCode::PermissionDenied);
  EXPECT_THAT(filtered.detail, HasSubstr("filtered"));
  ASSERT_DONE(agent_->replace_rules(
      *reader, R"(service_prefix "" { policy = "read" } node_prefix "" { policy = "read" })"));
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");
  ASSERT_DONE(agent_->revoke_token(*reader));
  EXPECT_EQ(failure(stream).code, ErrorCode::AuthFailed);
}

TEST_F(ConsulAgentProvider, AnAgentThatIsNotTrustedRemovesNobodyAndARotatedCaIsReadAgain) {
  const TestAuthority old_authority;
  const TestAuthority new_authority;
  ConsulAgent::Options options;
  const Certificate first = old_authority.issue("server.dc1.consul");
  options.cert_pem = first.cert_pem;
  options.key_pem = first.key_pem;
  start(options);
  const auto add_on_node = [&](const char* id) {  // the agent forgets its own when it reloads
    ASSERT_DONE(agent_->register_on_node("n", "10.0.0.1", service("web", id)));
  };
  add_on_node("a");
  ca_file_ = (directory_ / "ca.pem").string();
  write_file(ca_file_, old_authority.ca_pem());
  const auto connectivity = [&](Params params = {}) {
    const auto checked =
        create(std::move(params))
            ->check_connectivity(clock_.now() + Duration(limits::kConnectivityDeadline));
    return checked ? std::string("fine") : std::string(to_string(checked.error().code));
  };
  EXPECT_EQ(connectivity({{"tls_server_name", "server.dc1.consul"}}), "fine");
  EXPECT_EQ(connectivity({{"tls_server_name", "server.dc2.consul"}}), "AUTH_FAILED");
  StreamReader stream(create()->stream());
  until_members(stream, "a");
  add_on_node("b");
  until_members(stream, "a b");

  // The agent gets a certificate of another authority, which is seen with the next connection: the
  // one that is open ends with a silence.
  const Certificate second = new_authority.issue("server.dc1.consul");
  ASSERT_TRUE(agent_->replace_certificate(second.cert_pem, second.key_pem));
  ASSERT_TRUE(eventually(kPatience, [&] { return connectivity() == "AUTH_FAILED"; }));
  ASSERT_TRUE(agent_->pause());
  EXPECT_EQ(failure(stream).code, ErrorCode::Timeout);
  ASSERT_TRUE(agent_->resume());
  const ProviderEvent refused = stream.until([](const ProviderEvent& e) {
    const auto* failed = std::get_if<FailedAnswer>(&e);
    return failed == nullptr || failed->code == ErrorCode::AuthFailed;
  });
  EXPECT_THAT(to_text(refused), HasSubstr("AUTH_FAILED"));
  write_and_rename(ca_file_, new_authority.ca_pem());
  EXPECT_EQ(first_that_is_no_failure(stream), "unchanged");  // without a restart, nobody had left
  ASSERT_DONE(agent_->deregister_on_node("n", "a"));
  until_members(stream, "b");
}

TEST_F(ConsulAgentProvider, WithoutATokenAnEmptyAnswerProvesNothing) {
  ConsulAgent::Options options;
  options.acl = true;
  start(options);
  add("a");
  ASSERT_TRUE(eventually(kPatience, [&] {  // the agent tells its catalogue by and by
    const auto answer = agent_->request("GET", "/v1/health/service/web");
    return answer && answer->body.find("\"a\"") != std::string::npos;
  }));
  StreamReader stream(create()->stream());
  EXPECT_EQ(failure(stream).code, ErrorCode::PermissionDenied);
  // The agent puts a default token of its own under requests without one: now it is an answer.
  ASSERT_DONE(agent_->request("PUT", "/v1/agent/token/default",
                              R"({"Token":")" + agent_->management_token() + "\"}"));
  EXPECT_EQ(first_that_is_no_failure(stream), "snapshot[a]");
  ASSERT_DONE(agent_->deregister_service("a"));
  until_members(stream, "");
}

TEST_F(ConsulAgentProvider, IdsAreUniqueByNodeAndService) {
  start();
  for (const char* node : {"n1", "n2"}) {
    ASSERT_DONE(agent_->register_on_node(node, "10.0.0.9", service("web", "web")));
  }
  StreamReader stream(create({{"id", "node/service"}})->stream());
  until_members(stream, "n1/web n2/web");
  StreamReader clash(create({{"id", "service"}})->stream());
  EXPECT_EQ(failure(clash).code, ErrorCode::MalformedResponse);
}

TEST_F(ConsulAgentProvider, SelectionIsTheServers) {
  start();
  add("good", {{"env", "prod"}}, "passing", {"primary"});
  add("bad", {{"env", "prod"}}, "critical", {"primary"});
  add("other", {{"env", "test"}}, "passing", {"secondary"});
  const auto members = [&](Params params) {
    auto provider = create(std::move(params));
    StreamReader stream(provider->stream());
    return news(stream);
  };
  {
    StreamReader all(create()->stream());
    until_members(all, "bad good other");  // the catalogue has them all from here on
  }
  EXPECT_EQ(members({{"passing_only", "true"}}), "snapshot[good other]");
  EXPECT_EQ(members({{"tag", "primary"}}), "snapshot[bad good]");
  EXPECT_EQ(members({{"filter", "Service.Meta.env == \"prod\""}}), "snapshot[bad good]");
  EXPECT_EQ(members({{"mode", "stale"}}), "snapshot[bad good other]");
  EXPECT_EQ(members({{"mode", "consistent"}}), "snapshot[bad good other]");
  EXPECT_EQ(members({{"datacenter", "dc1"}}), "snapshot[bad good other]");
  EXPECT_EQ(members({{"service", "nobody"}}), "snapshot[]");
}

TEST_F(ConsulAgentProvider, R1_4_WhatCannotWorkIsRefusedAtRegistration) {
  start();
  const auto code = [&](Params params) {
    const auto checked =
        create(std::move(params))
            ->check_connectivity(clock_.now() + Duration(limits::kConnectivityDeadline));
    return checked ? std::string("fine") : std::string(to_string(checked.error().code));
  };
  EXPECT_EQ(code({}), "fine");
  EXPECT_EQ(code({{"filter", "zork"}}), "INVALID_CONFIG");
  EXPECT_EQ(code({{"namespace", "enterprise"}}), "INVALID_CONFIG");
  EXPECT_EQ(code({{"datacenter", "nowhere"}}), "BACKEND_UNAVAILABLE");
  ASSERT_TRUE(agent_->pause());
  auto provider = create();
  const MonoTime deadline = clock_.now() + Duration(std::chrono::milliseconds(300));
  const auto silent = provider->check_connectivity(deadline);
  ASSERT_FALSE(silent.has_value());
  EXPECT_EQ(silent.error().code, ErrorCode::Timeout);
  ASSERT_TRUE(agent_->resume());
}

TEST_F(ConsulAgentProvider, R2_5_TheNextEndpointTakesOverWithoutAFailure) {
  start();
  add("a");
  auto second = ConsulAgent::start();
  ASSERT_TRUE(second) << second.error();
  ASSERT_DONE((*second)->register_service(service("web", "b")));
  ASSERT_TRUE(eventually(std::chrono::seconds(30), [&] {
    const auto answer = (*second)->request("GET", "/v1/health/service/web");
    return answer && answer->body.find("\"b\"") != std::string::npos;
  }));
  StreamReader stream(create({}, "", {agent_->url(), (*second)->url()})->stream());
  until_members(stream, "a");
  agent_->kill();
  const ProviderEvent event = stream.until(
      [](const ProviderEvent& e) { return !std::holds_alternative<UnchangedAnswer>(e); });
  EXPECT_EQ(to_text(event), "snapshot[b]");
  EXPECT_EQ(std::get<ProviderSnapshot>(event).lineage, 0u);
}

}  // namespace
}  // namespace rollcall::test
