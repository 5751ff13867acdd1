// The fixture against the real server: what the provider's tests rely on is shown here first.
#include "tests/backends/kube_apiserver.h"

#include <gtest/gtest.h>

#include "tests/backends/assert_done.h"

namespace rollcall::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kSlices = "/apis/discovery.k8s.io/v1/namespaces/team/endpointslices";
constexpr auto kSettle = 30s;  // the authenticator remembers a token for 10 s

class KubeApiserverTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = KubeApiserver::start();
    ASSERT_TRUE(server) << server.error();
    server_ = std::move(*server);
    ASSERT_DONE(server_->create_namespace("team"));
  }
  int status(const std::string& token) {
    return server_->request("GET", kSlices, "", token).value_or(KubeAnswer{}).status;
  }
  std::size_t count(const std::string& text) {
    const auto answer = server_->request("GET", kSlices);
    if (!answer) return 0;
    std::size_t found = 0;
    for (auto at = answer->body.find(text); at != std::string::npos;
         at = answer->body.find(text, at + 1)) {
      ++found;
    }
    return found;
  }

  std::unique_ptr<KubeApiserver> server_;
};

TEST_F(KubeApiserverTest, SlicesComeChangeAndGo) {
  KubeApiserver::Slice slice;
  slice.name = "web-1";
  slice.service = "web";
  slice.endpoints = {{.pod = "a", .zone = "z1"}, {.pod = "b", .ready = false}};
  ASSERT_DONE(server_->put_slice("team", slice));
  EXPECT_EQ(count("\"targetRef\""), 2U);
  slice.endpoints.pop_back();
  ASSERT_DONE(server_->put_slice("team", slice));
  EXPECT_EQ(count("\"targetRef\""), 1U);
  ASSERT_DONE(server_->delete_slice("team", "web-1"));
  EXPECT_EQ(count("\"targetRef\""), 0U);
}

TEST_F(KubeApiserverTest, AccountsMayWhatTheirRoleSaysAndTheirTokensEndWithThem) {
  ASSERT_DONE(server_->create_account("team", "sidecar"));
  const auto token = server_->token("team", "sidecar");
  ASSERT_TRUE(token) << token.error();
  EXPECT_EQ(status(*token), 403);
  ASSERT_DONE(server_->allow("team", "sidecar", {"list", "watch"}));
  EXPECT_TRUE(eventually(kSettle, [&] { return status(*token) == 200; }));
  ASSERT_DONE(server_->allow("team", "sidecar", {}));
  EXPECT_TRUE(eventually(kSettle, [&] { return status(*token) == 403; }));
  ASSERT_DONE(server_->delete_account("team", "sidecar"));
  EXPECT_TRUE(eventually(kSettle, [&] { return status(*token) == 401; }));
  EXPECT_EQ(status("nonsense"), 401);
}

TEST_F(KubeApiserverTest, ItComesBackWithKeptEmptyAndRestoredState) {
  ASSERT_DONE(server_->etcd().save_state());
  ASSERT_DONE(
      server_->put_slice("team", {.name = "web-1", .service = "web", .endpoints = {{.pod = "a"}}}));
  ASSERT_DONE(server_->restart());
  EXPECT_EQ(count("\"targetRef\""), 1U);
  const auto before = server_->etcd().revision();
  ASSERT_TRUE(before) << before.error();
  ASSERT_DONE(server_->restart(EtcdServer::Restart::kSavedState));
  EXPECT_EQ(count("\"targetRef\""), 0U);
  EXPECT_EQ(status("administrators-own-test-token"), 200);
}

TEST_F(KubeApiserverTest, TheManifestOfDeployIsAcceptedAndLetsTheSidecarIn) {
  std::string manifest = read_file(source_dir() / "deploy" / "kubernetes" / "rollcall.yaml");
  // The fixture has made the namespace.
  manifest = manifest.substr(manifest.find("\n---\n") + 5);
  ASSERT_DONE(server_->create(manifest));
  const auto token = server_->token("team", "rollcall");
  ASSERT_TRUE(token) << token.error();
  EXPECT_TRUE(eventually(kSettle, [&] { return status(*token) == 200; }));
  const auto identity = [&] {
    return server_->request("GET", "/api/v1/namespaces/kube-system", "", *token)
        .value_or(KubeAnswer{})
        .status;
  };
  EXPECT_TRUE(eventually(kSettle, [&] { return identity() == 200; }));
}

TEST_F(KubeApiserverTest, AVersionThatIsGoneIsToldInTwoForms) {
  for (const char* name : {"web-1", "web-2"}) {
    ASSERT_DONE(server_->put_slice("team", {.name = name, .service = "web"}));
  }
  const std::string slices(kSlices);
  const auto page = server_->request("GET", slices + "?limit=1");
  ASSERT_TRUE(page) << page.error();
  const auto field = [&](const std::string& key) {
    const auto at = page->body.find("\"" + key + "\":\"");
    const auto begin = at + key.size() + 4;
    return at == std::string::npos ? ""
                                   : page->body.substr(begin, page->body.find('"', begin) - begin);
  };
  const std::string version = field("resourceVersion");
  ASSERT_FALSE(field("continue").empty()) << page->body;
  for (int i = 0; i < 5; ++i) {
    ASSERT_DONE(server_->put_slice(
        "team",
        {.name = "web-1", .service = "web", .endpoints = {{.pod = "p" + std::to_string(i)}}}));
  }
  const auto newest = server_->etcd().revision();
  ASSERT_TRUE(newest) << newest.error();
  ASSERT_DONE(server_->etcd().compact(*newest));
  const auto next = server_->request("GET", slices + "?limit=1&continue=" + field("continue"));
  ASSERT_TRUE(next) << next.error();
  EXPECT_EQ(next->status, 410) << next->body;
  EXPECT_NE(next->body.find("\"reason\":\"Expired\""), std::string::npos) << next->body;
  ASSERT_DONE(server_->restart());  // its cache of events begins anew
  const auto watch =
      server_->request("GET", slices + "?watch=true&timeoutSeconds=1&resourceVersion=" + version);
  ASSERT_TRUE(watch) << watch.error();
  EXPECT_EQ(watch->status, 200);
  EXPECT_NE(watch->body.find("\"type\":\"ERROR\""), std::string::npos) << watch->body;
  EXPECT_NE(watch->body.find("\"code\":410"), std::string::npos) << watch->body;
}

}  // namespace
}  // namespace rollcall::test
