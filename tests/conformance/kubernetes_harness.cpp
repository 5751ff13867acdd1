// LIBS: rollcall_test_kubernetes
// NEEDS: kubernetes
// ONE PROCESS
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "tests/backends/kube_apiserver.h"
#include "tests/conformance/backend_harness.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

constexpr const char* kAccount = "sidecar";
constexpr std::size_t kPerSlice = 100;  // as the control plane fills them

// An API server takes seconds to start: one serves all tests of the process, a namespace each.
KubeApiserver* the_server() {
  static std::unique_ptr<KubeApiserver> server;
  if (server && server->process().running()) return server.get();
  auto started = KubeApiserver::start();
  if (!started) {
    ADD_FAILURE() << started.error();
    return nullptr;
  }
  server = std::move(*started);
  return server.get();
}

KubeApiserver::Endpoint endpoint_of(const ClusterNode& node) {
  KubeApiserver::Endpoint endpoint;
  endpoint.pod = node.id.str();
  endpoint.address = node.host;
  endpoint.zone = node.zone;
  endpoint.ready = node.status == NodeStatus::Ready;
  endpoint.serving = node.status != NodeStatus::NotReady;
  endpoint.terminating = node.status == NodeStatus::Draining;
  return endpoint;
}

// What endpoints of one slice have in common, as the slice's labels and port.
KubeApiserver::Slice slice_for(const ClusterNode& node) {
  KubeApiserver::Slice slice;
  slice.service = "web";
  slice.ports = {{"", node.port}};
  slice.labels = node.labels;
  slice.labels["rollcall-weight"] = std::to_string(node.weight);
  if (!node.incarnation.empty()) slice.labels[std::string(kIncarnationKey)] = node.incarnation;
  return slice;
}

class KubernetesHarness : public BackendHarness {
 public:
  KubernetesHarness(KubeApiserver& server, std::string name_space, const std::string& token)
      : server_(server), namespace_(std::move(name_space)) {
    write_file(directory_ / "token", token);
  }
  ~KubernetesHarness() override { server_.resume(); }

  ProviderDescriptor descriptor() override {
    ProviderDescriptor d;
    d.id = ProviderId("kubernetes");
    d.kind = "kubernetes";
    d.endpoints = {server_.url()};
    d.auth.token_file = (directory_ / "token").string();
    d.auth.ca_file = server_.ca_file();
    d.watch_params = {{"service", "web"},
                      {"namespace", namespace_},
                      {"labels", "slice"},
                      {"attest_ms", "200"},
                      {"page_size", "2"}};
    return d;
  }
  ProviderContext context() override { return {&clock_, nullptr, ""}; }

  void set_members(ClusterProvider&, const std::vector<ClusterNode>& nodes) override {
    std::map<std::string, KubeApiserver::Slice> wanted;  // by what its endpoints have in common
    std::map<std::string, std::size_t> parts;
    for (const ClusterNode& node : nodes) {
      std::string common = std::to_string(node.port);
      for (const auto& [key, value] : slice_for(node).labels) common += " " + key + "=" + value;
      auto slice = wanted.find(common + "#" + std::to_string(parts[common]));
      if (slice == wanted.end() || slice->second.endpoints.size() == kPerSlice) {
        const std::string key = common + "#" + std::to_string(++parts[common]);
        slice = wanted.emplace(key, slice_for(node)).first;
      }
      slice->second.endpoints.push_back(endpoint_of(node));
    }
    std::set<std::string> there;
    for (auto& [key, slice] : wanted) {
      slice.name = "web-" + std::to_string(there.size());
      const auto put = server_.put_slice(namespace_, slice);
      ASSERT_TRUE(put) << put.error();
      there.insert(slice.name);
    }
    for (const std::string& name : there_) {
      if (there.contains(name)) continue;
      const auto gone = server_.delete_slice(namespace_, name);
      ASSERT_TRUE(gone) << gone.error();
    }
    there_ = std::move(there);
  }
  bool break_down() override { return server_.pause(); }
  void repair() override { ASSERT_TRUE(server_.resume()); }

 private:
  RealClock clock_;
  TempDir directory_;
  KubeApiserver& server_;
  const std::string namespace_;
  std::set<std::string> there_;  // names of slices
};

}  // namespace

const char* harness_kind() { return "kubernetes"; }

std::unique_ptr<BackendHarness> make_harness() {
  static int count = 0;
  KubeApiserver* server = the_server();
  if (server == nullptr) return nullptr;
  const std::string name_space = "test-" + std::to_string(++count);
  const auto step = [](const Outcome<void>& done) {
    if (!done) ADD_FAILURE() << done.error();
    return done.has_value();
  };
  if (!step(server->create_namespace(name_space)) ||
      !step(server->create_account(name_space, kAccount)) ||
      !step(server->allow(name_space, kAccount, {"list", "watch"}))) {
    return nullptr;
  }
  const auto token = server->token(name_space, kAccount);
  if (!token) {
    ADD_FAILURE() << token.error();
    return nullptr;
  }
  // The server's authorizer hears of a new role a moment after it is written.
  const std::string slices = "/apis/discovery.k8s.io/v1/namespaces/" + name_space;
  const bool allowed = eventually(kPatience, [&] {
    const auto answer = server->request("GET", slices + "/endpointslices", "", *token);
    return answer && answer->status == 200;
  });
  EXPECT_TRUE(allowed);
  return std::make_unique<KubernetesHarness>(*server, name_space, *token);
}

}  // namespace rollcall::test
