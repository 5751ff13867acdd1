// What a real agent tells a stranger, and what it does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "providers/consul/consul_provider.h"
#include "tests/backends/assert_done.h"
#include "tests/backends/consul_agent.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

std::string anonymous_policy(const std::string& nodes) {
  return R"({"Name":"anonymous","Rules":"service \"web\" { policy = \"read\" } node_prefix \")" +
         nodes + R"(\" { policy = \"read\" }"})";
}

TEST(ConsulAnonymous, APolicyThatIsNarrowedTakesNobodyAway) {
  ConsulAgent::Options options;
  options.acl = true;
  const auto started = ConsulAgent::start(options);
  ASSERT_TRUE(started) << started.error();
  ConsulAgent& agent = **started;
  for (const char* node : {"eu-1", "us-1"}) {
    ASSERT_DONE(agent.register_on_node(node, "10.0.0.1",
                                       {.name = "web",
                                        .id = "w",
                                        .address = {},
                                        .port = 80,
                                        .tags = {},
                                        .meta = {},
                                        .status = {}}));
  }
  const auto policy = agent.request("PUT", "/v1/acl/policy", anonymous_policy(""));
  ASSERT_TRUE(policy && policy->status == 200);
  const std::size_t id_at = policy->body.find('"', policy->body.find("\"ID\":") + 5) + 1;
  const std::string id = policy->body.substr(id_at, 36);
  const auto given = agent.request("PUT", "/v1/acl/token/00000000-0000-0000-0000-000000000002",
                                   R"({"Policies":[{"Name":"anonymous"}]})");
  ASSERT_TRUE(given && given->status == 200);

  RealClock clock;
  ProviderDescriptor d;
  d.id = ProviderId("c");
  d.kind = "consul";
  d.endpoints = {agent.url()};
  d.watch_params = {{"service", "web"}, {"wait_ms", "100"}, {"id", "node"}};
  const auto provider = make_consul_factory()->create(d, {&clock, nullptr, ""});
  ASSERT_TRUE(provider.has_value());
  StreamReader stream((*provider)->stream());
  // The agent learns of its anonymous token's policy by and by.
  stream.until([](const ProviderEvent& e) { return to_text(e) == "snapshot[eu-1 us-1]"; });
  const auto narrowed = agent.request("PUT", "/v1/acl/policy/" + id, anonymous_policy("eu-"));
  ASSERT_TRUE(narrowed && narrowed->status == 200)
      << (narrowed ? narrowed->body : narrowed.error());
  const ProviderEvent event = stream.until(
      [](const ProviderEvent& e) { return !std::holds_alternative<UnchangedAnswer>(e); });
  const auto* failed = std::get_if<FailedAnswer>(&event);
  ASSERT_NE(failed, nullptr) << to_text(event);
  EXPECT_EQ(failed->code, ErrorCode::PermissionDenied);
}

}  // namespace
}  // namespace rollcall::test
