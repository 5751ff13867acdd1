// The section `store`: what is given together must fit together, and everything wrong is named.
#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "provisioning/config/config_loader.h"

namespace rollcall {
namespace {

using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

Result<Config> with_store(const std::string& text) {
  ConfigSources sources;
  sources.file_name = "rollcall.yaml";
  sources.text = text;
  return load_config(sources);
}

std::vector<std::string> store_problems(const std::string& text) {
  const auto config = with_store(text);
  EXPECT_FALSE(config.has_value()) << text;
  std::vector<std::string> out;
  if (config) return out;
  for (const Problem& problem : config.error().problems) out.push_back(problem.field);
  return out;
}

TEST(StoreSettingsTest, AFileIsTheDefault) {
  const auto config = with_store("{}");
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->store.kind, StoreKind::File);
  EXPECT_EQ(with_store("store: {kind: file}")->store, config->store);
}

TEST(StoreSettingsTest, AnEtcdHasEverythingThatItsConnectionsNeed) {
  const auto config = with_store(
      "cluster: prod\n"
      "store:\n"
      "  kind: etcd\n"
      "  endpoints: ['https://e1:2379', 'https://e2:2379']\n"
      "  tls_server_name: etcd.example\n"
      "  auth: {token_file: /run/user, ca_file: /run/ca.pem, cert_file: /run/c.pem, key_file: "
      "/run/k.pem}\n");
  ASSERT_TRUE(config.has_value()) << config.error().message;
  const Config::Store& store = config->store;
  EXPECT_EQ(store.kind, StoreKind::Etcd);
  EXPECT_EQ(store.endpoints, (std::vector<std::string>{"https://e1:2379", "https://e2:2379"}));
  EXPECT_EQ(store.key, "/rollcall/prod/providers");
  EXPECT_EQ(store.auth, (AuthRef{"/run/user", "/run/ca.pem", "/run/c.pem", "/run/k.pem"}));
  EXPECT_EQ(store.tls_server_name, "etcd.example");
  EXPECT_EQ(with_store("store: {kind: etcd, endpoints: 'http://e:1', key: /mine}")->store.key,
            "/mine");
}

TEST(StoreSettingsTest, AFleetsProvidersAreNotInTheConfigurationOfOne) {
  EXPECT_THAT(store_problems("store: {kind: etcd, endpoints: ['http://e:1']}\nproviders: []\n"),
              UnorderedElementsAre("providers"));
}

TEST(StoreSettingsTest, WhatIsWrongIsNamedTogether) {
  EXPECT_THAT(store_problems("store: {kind: etcd}\nproviders: []\n"),
              UnorderedElementsAre("store.endpoints", "providers"));
  EXPECT_THAT(
      store_problems("store: {kind: zookeeper, key: '', endpoints: [], auth: {token: x}}"),
      UnorderedElementsAre("store.kind", "store.key", "store.endpoints", "store.auth.token"));
  EXPECT_THAT(store_problems("store: {endpoints: ['http://e:1']}"),
              UnorderedElementsAre("store.kind"))
      << "etcd was meant";
  EXPECT_THAT(store_problems("store: {auth: {token_file: relative}}"),
              UnorderedElementsAre("store.auth.token_file"));
}

TEST(StoreSettingsTest, NothingOfItChangesWithAReload) {
  const auto running = with_store("store: {kind: etcd, endpoints: ['http://e:1']}");
  const auto wanted = with_store("store: {kind: etcd, endpoints: ['http://e:2'], key: /k}");
  ASSERT_TRUE(running.has_value() && wanted.has_value());
  EXPECT_THAT(restart_only_changes(*running, *wanted),
              UnorderedElementsAre("store.endpoints", "store.key"));
  EXPECT_THAT(restart_only_changes(*running, *running), IsEmpty());
}

}  // namespace
}  // namespace rollcall
