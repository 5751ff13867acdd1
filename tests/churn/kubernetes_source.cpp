#include <map>

#include "tests/churn/sources.h"

namespace rollcall::test {
namespace {

constexpr const char* kNamespace = "churn";
constexpr const char* kAccount = "sidecar";
constexpr const char* kService = "web";

class KubernetesChurn final : public ChurnSource {
 public:
  static Outcome<std::unique_ptr<ChurnSource>> start() {
    auto made = std::make_unique<KubernetesChurn>();
    auto server = KubeApiserver::start();
    if (!server) return tl::unexpected(server.error());
    made->server_ = std::move(*server);
    if (auto ready = made->prepare(); !ready) return tl::unexpected(ready.error());
    return made;
  }

  ProviderDescriptor descriptor() const override {
    ProviderDescriptor d;
    d.id = ProviderId("kubernetes");
    d.kind = "kubernetes";
    d.endpoints = {server_->url()};
    d.auth.token_file = token_file();
    d.auth.ca_file = server_->ca_file();
    d.watch_params = {{"service", kService}, {"namespace", kNamespace}};
    return d;
  }

  Outcome<void> write(const std::vector<MemberChange>& changes) override {
    if (changes.empty()) return {};
    const std::size_t group = changes.front().member / kChurnGroup;
    auto& endpoints = groups_[group];
    for (const MemberChange& change : changes) {
      if (!change.present) {
        endpoints.erase(change.member);
        continue;
      }
      KubeApiserver::Endpoint endpoint;
      endpoint.pod = churn_id(change.member);
      endpoint.address = churn_host(change.member);
      endpoint.ready = true;
      endpoint.zone = std::to_string(change.number);
      endpoints[change.member] = endpoint;
    }
    KubeApiserver::Slice slice;
    slice.name = "web-" + std::to_string(group);
    slice.service = kService;
    for (const auto& [member, endpoint] : endpoints) slice.endpoints.push_back(endpoint);
    return server_->put_slice(kNamespace, slice);
  }

 private:
  std::string token_file() const { return (directory_ / "token").string(); }

  Outcome<void> prepare() {
    if (auto made = server_->create_namespace(kNamespace); !made) return made;
    if (auto made = server_->create_account(kNamespace, kAccount); !made) return made;
    if (auto made = server_->allow(kNamespace, kAccount, {"list", "watch"}); !made) return made;
    const auto token = server_->token(kNamespace, kAccount);
    if (!token) return tl::unexpected(token.error());
    write_file(token_file(), *token + "\n");
    // The authorizer hears of the role a little later.
    const bool allowed = eventually(kHungProgram, [&] {
      const auto answer = server_->request(
          "GET",
          std::string("/apis/discovery.k8s.io/v1/namespaces/") + kNamespace + "/endpointslices", "",
          *token);
      return answer && answer->status == 200;
    });
    if (!allowed) return tl::unexpected(std::string("the account may not list the slices"));
    return {};
  }

  TempDir directory_;
  std::unique_ptr<KubeApiserver> server_;
  std::map<std::size_t, std::map<std::size_t, KubeApiserver::Endpoint>> groups_;
};

}  // namespace

Outcome<std::unique_ptr<ChurnSource>> churn_in_kubernetes() { return KubernetesChurn::start(); }

}  // namespace rollcall::test
