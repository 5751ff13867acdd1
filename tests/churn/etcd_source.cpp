#include <nlohmann/json.hpp>

#include "tests/churn/sources.h"

namespace rollcall::test {
namespace {

constexpr const char* kPrefix = "/churn/";

class EtcdChurn final : public ChurnSource {
 public:
  explicit EtcdChurn(std::unique_ptr<EtcdServer> server) : server_(std::move(server)) {}

  ProviderDescriptor descriptor() const override {
    ProviderDescriptor d;
    d.id = ProviderId("etcd");
    d.kind = "etcd";
    d.endpoints = {server_->url()};
    d.watch_params = {{"prefix", kPrefix}};
    return d;
  }

  Outcome<void> write(const std::vector<MemberChange>& changes) override {
    std::vector<std::pair<std::string, std::string>> puts;
    std::vector<std::string> removals;
    for (const MemberChange& change : changes) {
      const std::string key = kPrefix + churn_id(change.member);
      if (!change.present) {
        removals.push_back(key);
        continue;
      }
      const nlohmann::json value = {{"host", churn_host(change.member)},
                                    {"port", 7000},
                                    {"zone", std::to_string(change.number)}};
      puts.emplace_back(key, value.dump());
    }
    const auto answer = server_->change(puts, removals);
    return answer ? Outcome<void>{} : tl::unexpected(answer.error());
  }

 private:
  std::unique_ptr<EtcdServer> server_;
};

}  // namespace

Outcome<std::unique_ptr<ChurnSource>> churn_in_etcd() {
  auto server = EtcdServer::start();
  if (!server) return tl::unexpected(server.error());
  return std::make_unique<EtcdChurn>(std::move(*server));
}

}  // namespace rollcall::test
