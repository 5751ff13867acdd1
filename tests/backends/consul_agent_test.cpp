// The fixture against the real agent: what the provider's tests rely on is shown here first.
#include "tests/backends/consul_agent.h"

#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "tests/backends/assert_done.h"

namespace rollcall::test {
namespace {

using namespace std::chrono_literals;

constexpr auto kSettle = 10s;  // the agent writes to its catalogue by itself, soon

// The number of services in an answer of the health endpoint; kNoAnswer for anything that is no
// list.
constexpr auto kNoAnswer = std::numeric_limits<std::size_t>::max();

std::size_t services(const Outcome<HttpAnswer>& answer) {
  if (!answer || answer->status != 200) return kNoAnswer;
  const auto list = nlohmann::json::parse(answer->body, nullptr, false);
  return list.is_array() ? list.size() : kNoAnswer;
}

std::unique_ptr<ConsulAgent> start(ConsulAgent::Options options = {}) {
  auto agent = ConsulAgent::start(std::move(options));
  if (agent) return std::move(*agent);
  ADD_FAILURE() << agent.error();
  return nullptr;
}

TEST(ConsulAgent, ServicesComeFailAndGo) {
  const auto agent = start();
  ASSERT_TRUE(agent);
  ASSERT_DONE(agent->register_service({.name = "web",
                                       .id = "web-1",
                                       .address = "10.0.0.1",
                                       .port = 80,
                                       .tags = {"a"},
                                       .meta = {{"rollcall-incarnation", "7"}},
                                       .status = "passing"}));
  const auto passing = [&] {
    return services(agent->request("GET", "/v1/health/service/web?passing"));
  };
  EXPECT_TRUE(eventually(kSettle, [&] { return passing() == 1; }));
  const auto answer = agent->request("GET", "/v1/health/service/web");
  ASSERT_TRUE(answer) << answer.error();
  EXPECT_NE(answer->body.find("rollcall-incarnation"), std::string::npos);
  EXPECT_EQ(answer->header("x-consul-knownleader"), "true");

  ASSERT_DONE(agent->set_status("web-1", "critical"));
  EXPECT_TRUE(eventually(kSettle, [&] { return passing() == 0; }));
  ASSERT_DONE(agent->deregister_service("web-1"));
  EXPECT_TRUE(eventually(
      kSettle, [&] { return services(agent->request("GET", "/v1/health/service/web")) == 0; }));
}

TEST(ConsulAgent, NodesWithoutAnAgentMayShareAServiceId) {
  const auto agent = start();
  ASSERT_TRUE(agent);
  for (const char* node : {"n1", "n2"}) {
    ASSERT_DONE(agent->register_on_node(node, "10.0.0.9",
                                        {.name = "web",
                                         .id = "web",
                                         .address = {},
                                         .port = 80,
                                         .tags = {},
                                         .meta = {},
                                         .status = "passing"}));
  }
  const auto members = [&] { return services(agent->request("GET", "/v1/health/service/web")); };
  EXPECT_EQ(members(), 2U);
  ASSERT_DONE(agent->deregister_on_node("n1", "web"));
  EXPECT_EQ(members(), 1U);
  ASSERT_DONE(agent->deregister_node("n2"));
  EXPECT_EQ(members(), 0U);
}

TEST(ConsulAgent, TheIndexGoesBackWhenItRestartsEmpty) {
  const auto agent = start();
  ASSERT_TRUE(agent);
  for (int i = 0; i < 50; ++i) {
    ASSERT_DONE(agent->register_on_node("n" + std::to_string(i), "10.0.0.9",
                                        {.name = "web",
                                         .id = "web",
                                         .address = {},
                                         .port = 80,
                                         .tags = {},
                                         .meta = {},
                                         .status = {}}));
  }
  const std::string address = agent->address();
  const auto before = agent->index_of("web");
  ASSERT_GT(before, 50U);
  ASSERT_DONE(agent->restart(ConsulAgent::Restart::kEmptyState));
  EXPECT_EQ(agent->address(), address);
  const auto after = agent->index_of("web");
  EXPECT_GT(after, 0U);
  EXPECT_LT(after, before);
}

TEST(ConsulAgent, ADurableOneKeepsItsState) {
  const auto agent = start({.node_name = "kept",
                            .datacenter = "dc1",
                            .durable = true,
                            .acl = false,
                            .extra_config = {}});
  ASSERT_TRUE(agent);
  ASSERT_DONE(agent->register_on_node(
      "n1", "10.0.0.9",
      {.name = "web", .id = {}, .address = {}, .port = 80, .tags = {}, .meta = {}, .status = {}}));
  const auto before = agent->index_of("web");
  ASSERT_DONE(agent->restart(ConsulAgent::Restart::kKeepState));
  EXPECT_GE(agent->index_of("web"), before);
  EXPECT_EQ(services(agent->request("GET", "/v1/health/service/web")), 1U);
  ASSERT_DONE(agent->restart(ConsulAgent::Restart::kEmptyState));
  EXPECT_EQ(services(agent->request("GET", "/v1/health/service/web")), 0U);
}

TEST(ConsulAgent, OneThatKeepsNothingSaysSo) {
  const auto agent = start();
  ASSERT_TRUE(agent);
  EXPECT_FALSE(agent->restart(ConsulAgent::Restart::kKeepState));
}

TEST(ConsulAgent, ATokenThatMayNotSeeAServiceIsToldThatItsAnswerIsFiltered) {
  const auto agent = start(
      {.node_name = "acl", .datacenter = "dc1", .durable = false, .acl = true, .extra_config = {}});
  ASSERT_TRUE(agent);
  ASSERT_DONE(agent->register_service({.name = "web",
                                       .id = {},
                                       .address = {},
                                       .port = 80,
                                       .tags = {},
                                       .meta = {},
                                       .status = "passing"}));
  const auto reader = agent->create_token(
      R"(service_prefix "" { policy = "read" } node_prefix "" { policy = "read" })");
  ASSERT_TRUE(reader) << reader.error();
  const auto seen = [&](const std::string& token) {
    return agent->request("GET", "/v1/health/service/web", {}, token);
  };
  EXPECT_TRUE(eventually(kSettle, [&] { return services(seen(*reader)) == 1; }));
  ASSERT_DONE(agent->replace_rules(*reader, R"(service "other" { policy = "read" })"));
  EXPECT_TRUE(eventually(kSettle, [&] {
    const auto answer = seen(*reader);
    return answer && answer->status == 200 && answer->body == "[]" &&
           answer->header("X-Consul-Results-Filtered-By-ACLs") == "true";
  }));
  // Without a token the answer is empty as well, but Consul does not admit to having filtered it.
  const auto anonymous = seen("");
  ASSERT_TRUE(anonymous) << anonymous.error();
  EXPECT_EQ(anonymous->status, 200);
  EXPECT_EQ(anonymous->body, "[]");
  EXPECT_EQ(anonymous->header("X-Consul-Results-Filtered-By-ACLs"), "");
  EXPECT_EQ(anonymous->header("X-Consul-Default-ACL-Policy"), "deny");
}

TEST(ConsulAgent, ARevokedTokenIsRefused) {
  const auto agent = start(
      {.node_name = "acl", .datacenter = "dc1", .durable = false, .acl = true, .extra_config = {}});
  ASSERT_TRUE(agent);
  const std::string secret = "0b1f7a52-6a53-4d3e-8a0c-0d8a60f2ce11";
  const auto token = agent->create_token(R"(service_prefix "" { policy = "read" })", secret);
  ASSERT_TRUE(token) << token.error();
  EXPECT_EQ(*token, secret);
  const auto status = [&] {
    const auto answer = agent->request("GET", "/v1/health/service/web", {}, secret);
    return answer ? answer->status : 0;
  };
  EXPECT_EQ(status(), 200);
  ASSERT_DONE(agent->revoke_token(secret));
  EXPECT_TRUE(eventually(kSettle, [&] { return status() == 403; }));
}

TEST(ConsulAgent, KilledItRefuses) {
  const auto agent = start();
  ASSERT_TRUE(agent);
  EXPECT_NE(agent->index_of("web"), 0U);
  agent->kill();
  const auto answer = agent->request("GET", "/v1/status/leader");
  EXPECT_FALSE(answer);
  ASSERT_DONE(agent->restart(ConsulAgent::Restart::kEmptyState));
  EXPECT_NE(agent->index_of("web"), 0U);
}

}  // namespace
}  // namespace rollcall::test
