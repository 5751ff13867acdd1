// NEEDS: etcd
#include <gtest/gtest.h>

#include <set>

#include "core/codec/json_writer.h"
#include "core/codec/node_codec.h"
#include "tests/backends/etcd_server.h"
#include "tests/conformance/backend_harness.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

std::string value_of(const ClusterNode& node) {
  JsonWriter writer(0);
  write_node(node, writer);
  auto text = std::move(writer).finish();
  return text ? *text : "";
}

class EtcdHarness : public BackendHarness {
 public:
  explicit EtcdHarness(std::unique_ptr<EtcdServer> server) : server_(std::move(server)) {}
  ProviderDescriptor descriptor() override {
    ProviderDescriptor d;
    d.id = ProviderId("etcd");
    d.kind = "etcd";
    d.endpoints = {server_->url()};
    d.watch_params = {{"prefix", "/cluster/"}, {"attest_ms", "100"}};
    return d;
  }
  ProviderContext context() override { return {&clock_, nullptr, ""}; }
  void set_members(ClusterProvider&, const std::vector<ClusterNode>& nodes) override {
    std::set<std::string> wanted;
    std::vector<std::pair<std::string, std::string>> entries;
    for (const ClusterNode& node : nodes) {
      wanted.insert(node.id.str());
      entries.emplace_back("/cluster/" + node.id.str(), value_of(node));
    }
    for (const std::string& id : there_) {
      if (wanted.contains(id)) continue;
      const auto removed = server_->remove("/cluster/" + id);
      ASSERT_TRUE(removed) << removed.error();
    }
    const auto written = server_->put_many(entries);
    ASSERT_TRUE(written) << written.error();
    there_ = std::move(wanted);
  }
  bool break_down() override { return server_->pause(); }
  bool refuse() override {
    server_->kill();
    return true;
  }
  void repair() override {
    if (server_->resume()) return;
    const auto restarted = server_->restart(EtcdServer::Restart::kKeepState);
    ASSERT_TRUE(restarted) << restarted.error();
  }

 private:
  RealClock clock_;
  std::unique_ptr<EtcdServer> server_;
  std::set<std::string> there_;
};

}  // namespace

const char* harness_kind() { return "etcd"; }

std::unique_ptr<BackendHarness> make_harness() {
  auto server = EtcdServer::start();
  if (!server) {
    ADD_FAILURE() << server.error();
    return nullptr;
  }
  return std::make_unique<EtcdHarness>(std::move(*server));
}

}  // namespace rollcall::test
