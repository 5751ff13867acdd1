// The section `announce`: what it reads, and everything that can be wrong with it, told at once.
#include <gmock/gmock.h>

#include <map>
#include <string>
#include <vector>

#include "provisioning/config/config_loader.h"

namespace rollcall {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

Result<Config> load_announce(const std::string& text,
                             const std::map<std::string, std::string>& environment = {}) {
  ConfigSources sources;
  sources.file_name = "rollcall.yaml";
  sources.text = text;
  sources.environment = [&](const std::string& name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  };
  return load_config(sources);
}

std::vector<std::string> wrong_announce_fields(const std::string& text) {
  const auto config = load_announce(text);
  EXPECT_FALSE(config) << text;
  std::vector<std::string> fields;
  if (!config) {
    for (const Problem& problem : config.error().problems) fields.push_back(problem.field);
  }
  return fields;
}

constexpr char kNode[] = "node_id: n1, host: 10.0.0.1, port: 7000";

TEST(AnnounceConfig, WithoutTheSectionNothingIsAnnounced) {
  const auto config = load_announce("{}");
  ASSERT_TRUE(config);
  EXPECT_TRUE(config->announce.providers.empty());
  EXPECT_EQ(config->announce.ttl, 30s);
}

TEST(AnnounceConfig, EverySettingIsRead) {
  const auto config = load_announce(R"(
announce:
  providers: [consul-main, etcd]
  node_id: n1
  host: 10.0.0.1
  port: 7000
  zone: eu-1a
  labels: {rack: r7, "role": "db"}
  weight: 5
  incarnation: "42"
  socket: /run/n1.sock
  ttl: 45s
)");
  ASSERT_TRUE(config) << config.error().message;
  const Config::Announce& announce = config->announce;
  EXPECT_THAT(announce.providers, ElementsAre(ProviderId("consul-main"), ProviderId("etcd")));
  EXPECT_EQ(announce.node.id, NodeId("n1"));
  EXPECT_EQ(announce.node.host, "10.0.0.1");
  EXPECT_EQ(announce.node.port, 7000);
  EXPECT_EQ(announce.node.zone, "eu-1a");
  EXPECT_EQ(announce.node.labels,
            (std::map<std::string, std::string>{{"rack", "r7"}, {"role", "db"}}));
  EXPECT_EQ(announce.node.weight, 5u);
  EXPECT_EQ(announce.node.incarnation, "42");
  EXPECT_EQ(announce.socket, "/run/n1.sock");
  EXPECT_EQ(announce.ttl, 45s);
}

TEST(AnnounceConfig, TheEnvironmentSetsAllOfItToo) {
  const auto config = load_announce("{}", {{"ROLLCALL_ANNOUNCE_PROVIDERS", "a,b"},
                                           {"ROLLCALL_ANNOUNCE_NODE_ID", "n1"},
                                           {"ROLLCALL_ANNOUNCE_HOST", "10.0.0.1"},
                                           {"ROLLCALL_ANNOUNCE_PORT", "7000"},
                                           {"ROLLCALL_ANNOUNCE_LABELS", "rack=r7,role="}});
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->announce.providers.size(), 2u);
  EXPECT_EQ(config->announce.node.labels,
            (std::map<std::string, std::string>{{"rack", "r7"}, {"role", ""}}));
}

TEST(AnnounceConfig, EverythingThatIsWrongIsToldAtOnce) {
  EXPECT_THAT(wrong_announce_fields("announce: {providers: [a]}"),
              UnorderedElementsAre("announce.node_id", "announce.host", "announce.port"));
  EXPECT_THAT(wrong_announce_fields("announce: {providers: [a], host: 'h:1', node_id: '', ttl: 2s, "
                                    "weight: 0, labels: [x], socket: relative, wieght: 1}"),
              UnorderedElementsAre("announce.node_id", "announce.host", "announce.port",
                                   "announce.ttl", "announce.weight", "announce.labels",
                                   "announce.socket", "announce.wieght"));
  EXPECT_THAT(wrong_announce_fields("announce: {providers: [a], node_id: n1, port: 99999999}"),
              UnorderedElementsAre("announce.host", "announce.port"))
      << "each once";
}

TEST(AnnounceConfig, ProvidersAreIdsEachOnceAndAtMostFour) {
  const std::string node = std::string(", ") + kNode + "}";
  for (const char* list : {"[a, a]", "[A]", "['']", "[a, b, c, d, e]", "{a: b}", "[1]"}) {
    EXPECT_THAT(wrong_announce_fields(std::string("announce: {providers: ") + list + node),
                Contains("announce.providers"))
        << list;
  }
  EXPECT_TRUE(load_announce("announce: {providers: [a, b, c, d]" + node));
}

TEST(AnnounceConfig, ANodeWithoutAProviderIsAMistake) {
  EXPECT_THAT(wrong_announce_fields(std::string("announce: {") + kNode + "}"),
              ElementsAre("announce.providers"));
}

TEST(AnnounceConfig, ANodeBeyondTheLimitsIsNamedByItsSetting) {
  const std::string begin = std::string("announce: {providers: [a], ") + kNode;
  EXPECT_THAT(wrong_announce_fields(begin + ", labels: {k: '" + std::string(600, 'x') + "'}}"),
              ElementsAre("announce.labels"));
  EXPECT_THAT(wrong_announce_fields(begin + ", zone: '" + std::string(200, 'z') + "'}"),
              ElementsAre("announce.zone"));
}

TEST(AnnounceConfig, R5_4_AChangeNeedsARestart) {
  const std::string begin = std::string("announce: {providers: [a], ") + kNode;
  const auto running = load_announce(begin + "}");
  const auto wanted = load_announce(begin + ", weight: 2, ttl: 40s}");
  ASSERT_TRUE(running && wanted);
  EXPECT_THAT(restart_only_changes(*running, *wanted),
              UnorderedElementsAre("announce.weight", "announce.ttl"));
}

}  // namespace
}  // namespace rollcall
