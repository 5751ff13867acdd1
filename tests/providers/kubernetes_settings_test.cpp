// What an operator may write, and where a pod finds its own cluster.
#include "providers/kubernetes/kubernetes_settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/backends/environment.h"

namespace rollcall::test {
namespace {

using ::testing::HasSubstr;

ProviderDescriptor descriptor(std::map<std::string, std::string> params = {},
                              std::vector<std::string> endpoints = {"https://10.0.0.1:6443"}) {
  ProviderDescriptor d;
  d.id = ProviderId("k");
  d.kind = "kubernetes";
  d.endpoints = std::move(endpoints);
  d.watch_params = std::move(params);
  d.watch_params.try_emplace("service", "web");
  d.watch_params.try_emplace("namespace", "default");
  return d;
}

std::vector<std::string> problems_of(const ProviderDescriptor& d) {
  std::vector<std::string> fields;
  for (const Problem& problem : validate_kubernetes(d, "p")) fields.push_back(problem.field);
  return fields;
}

TEST(KubernetesSettings, GoodOnesAreAccepted) {
  EXPECT_TRUE(problems_of(descriptor()).empty());
  EXPECT_TRUE(problems_of(descriptor({}, {"10.0.0.1", "https://[fd00::1]:443"})).empty());
  EXPECT_TRUE(problems_of(descriptor({{"port", "grpc"}, {"id", "address"}})).empty());
  EXPECT_TRUE(problems_of(descriptor({{"port", "7000"}, {"attest_ms", "50"}})).empty());
  ProviderDescriptor pod = descriptor({}, {"in-cluster"});
  EXPECT_TRUE(problems_of(pod).empty());
  pod.watch_params.erase("namespace");
  EXPECT_TRUE(problems_of(pod).empty());
}

TEST(KubernetesSettings, R1_1_EveryProblemIsNamed) {
  using ::testing::ElementsAre;
  EXPECT_THAT(problems_of(descriptor({{"service", "Web_1"}})),
              ElementsAre("p.watch_params.service"));
  EXPECT_THAT(problems_of(descriptor({{"namespace", ""}})),
              ElementsAre("p.watch_params.namespace"));
  EXPECT_THAT(problems_of(descriptor({{"namespace", "a/../b"}})),
              ElementsAre("p.watch_params.namespace"));
  EXPECT_THAT(problems_of(descriptor({{"port", "70000"}})), ElementsAre("p.watch_params.port"));
  EXPECT_THAT(problems_of(descriptor({{"port", "0"}})), ElementsAre("p.watch_params.port"));
  EXPECT_THAT(problems_of(descriptor({{"port", "-x"}})), ElementsAre("p.watch_params.port"));
  EXPECT_THAT(problems_of(descriptor({{"id", "uid"}})), ElementsAre("p.watch_params.id"));
  EXPECT_THAT(problems_of(descriptor({{"attest_ms", "9000"}})),
              ElementsAre("p.watch_params.attest_ms"));
  EXPECT_THAT(problems_of(descriptor({{"page_size", "0"}})),
              ElementsAre("p.watch_params.page_size"));
  EXPECT_THAT(problems_of(descriptor({}, {"in-cluster", "https://10.0.0.1"})),
              ElementsAre("p.endpoints[0]"));
  EXPECT_THAT(problems_of(descriptor({}, {"ftp://x"})), ElementsAre("p.endpoints[0]"));
  ProviderDescriptor half = descriptor();
  half.auth.cert_file = "/cert";
  EXPECT_THAT(problems_of(half), ElementsAre("p.auth"));
}

TEST(KubernetesSettings, WhatIsAskedForIsEncoded) {
  const KubernetesSettings settings = kubernetes_settings(descriptor({{"namespace", "team"}}));
  EXPECT_EQ(settings.collection(), "/apis/discovery.k8s.io/v1/namespaces/team/endpointslices");
  EXPECT_EQ(settings.selector(), "labelSelector=kubernetes.io%2Fservice-name%3Dweb");
}

class InCluster : public ::testing::Test {
 protected:
  KubernetesSettings settings(std::map<std::string, std::string> params = {{"service", "web"}}) {
    ProviderDescriptor d = descriptor(params, {"in-cluster"});
    d.watch_params = std::move(params);
    return kubernetes_settings(d);
  }
  PodSurroundings pod() const { return {"10.96.0.1", "443", directory_.path().string()}; }

  TempDir directory_;
};

TEST_F(InCluster, EverythingComesFromThePod) {
  write_file(directory_ / "namespace", "team-7\n");
  const auto settled = settle(settings(), pod());
  ASSERT_TRUE(settled.has_value()) << settled.error().message;
  ASSERT_EQ(settled->endpoints.size(), 1u);
  EXPECT_EQ(settled->endpoints[0].scheme, Endpoint::Scheme::Https);
  EXPECT_EQ(settled->endpoints[0].host, "10.96.0.1");
  EXPECT_EQ(settled->endpoints[0].port, 443);
  EXPECT_EQ(settled->endpoints[0].text, "in-cluster");
  EXPECT_EQ(settled->name_space, "team-7");
  EXPECT_EQ(settled->auth.token_file, directory_.path().string() + "/token");
  EXPECT_EQ(settled->auth.ca_file, directory_.path().string() + "/ca.crt");
}

TEST_F(InCluster, WhatTheOperatorSaysComesFirst) {
  KubernetesSettings own = settings({{"service", "web"}, {"namespace", "other"}});
  own.auth.token_file = "/own/token";
  own.auth.ca_file = "/own/ca";
  PodSurroundings v6 = pod();
  v6.service_host = "fd00::1";
  const auto settled = settle(own, v6);
  ASSERT_TRUE(settled.has_value()) << settled.error().message;
  EXPECT_EQ(settled->endpoints[0].host, "fd00::1");
  EXPECT_EQ(settled->name_space, "other");
  EXPECT_EQ(settled->auth.token_file, "/own/token");
  EXPECT_EQ(settled->auth.ca_file, "/own/ca");
}

TEST_F(InCluster, OutsideOfAPodItIsAnError) {
  const auto nowhere = settle(settings(), {"", "", directory_.path().string()});
  ASSERT_FALSE(nowhere.has_value());
  EXPECT_EQ(nowhere.error().code, ErrorCode::InvalidConfig);
  EXPECT_THAT(nowhere.error().message, HasSubstr("KUBERNETES_SERVICE_HOST"));
  const auto no_file = settle(settings(), pod());
  ASSERT_FALSE(no_file.has_value());
  EXPECT_EQ(no_file.error().code, ErrorCode::InvalidConfig);
  write_file(directory_ / "namespace", "Not A Name");
  EXPECT_FALSE(settle(settings(), pod()).has_value());
}

}  // namespace
}  // namespace rollcall::test
