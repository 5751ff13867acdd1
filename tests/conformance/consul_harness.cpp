// NEEDS: consul
#include <gtest/gtest.h>

#include <set>

#include "core/codec/json_writer.h"
#include "tests/backends/consul_agent.h"
#include "tests/conformance/backend_harness.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

std::string registration(const ClusterNode& node) {
  auto meta = node.labels;
  if (!node.zone.empty()) meta["zone"] = node.zone;
  if (!node.incarnation.empty()) meta[std::string(kIncarnationKey)] = node.incarnation;
  JsonWriter w;
  w.begin_object().field("Name", "web").field("ID", node.id.str()).field("Address", node.host);
  w.field("Port", node.port).field("Meta", meta);
  w.key("Weights").begin_object().field("Passing", node.weight).field("Warning", node.weight);
  w.end_object().key("Check").begin_object().field("TTL", "24h");
  w.field("Status", node.status == NodeStatus::NotReady ? "critical" : "passing");
  w.end_object().end_object();
  auto text = std::move(w).finish();
  return text ? *text : "";
}

class ConsulHarness : public BackendHarness {
 public:
  explicit ConsulHarness(std::unique_ptr<ConsulAgent> agent) : agent_(std::move(agent)) {}
  ProviderDescriptor descriptor() override {
    ProviderDescriptor d;
    d.id = ProviderId("consul");
    d.kind = "consul";
    d.endpoints = {agent_->url()};
    d.watch_params = {{"service", "web"}, {"id", "service"}, {"wait_ms", "100"}};
    return d;
  }
  ProviderContext context() override { return {&clock_, nullptr, ""}; }
  void set_members(ClusterProvider&, const std::vector<ClusterNode>& nodes) override {
    std::set<std::string> wanted;
    for (const ClusterNode& node : nodes) wanted.insert(node.id.str());
    for (const std::string& id : there_) {
      if (wanted.contains(id)) continue;
      ASSERT_TRUE(agent_->deregister_service(id));
      draining_.erase(id);
    }
    for (const ClusterNode& node : nodes) {
      put("/v1/agent/service/register", registration(node));
      const bool drains = node.status == NodeStatus::Draining;
      const bool as_it_was =
          drains ? !draining_.insert(node.id.str()).second : draining_.erase(node.id.str()) == 0;
      if (as_it_was) continue;  // maintenance outlives a registration
      put("/v1/agent/service/maintenance/" + node.id.str() +
              "?enable=" + (drains ? "true" : "false"),
          "");
    }
    there_ = std::move(wanted);
  }
  bool break_down() override { return agent_->pause(); }
  bool refuse() override {
    agent_->kill();
    return true;
  }
  void repair() override {
    if (agent_->resume()) return;
    const auto restarted = agent_->restart(ConsulAgent::Restart::kEmptyState);
    ASSERT_TRUE(restarted) << restarted.error();
    there_.clear();
    draining_.clear();
  }

 private:
  void put(const std::string& path, const std::string& body) {
    const auto answer = agent_->request("PUT", path, body);
    ASSERT_TRUE(answer) << answer.error();
    ASSERT_EQ(answer->status, 200) << answer->body;
  }

  RealClock clock_;
  std::unique_ptr<ConsulAgent> agent_;
  std::set<std::string> there_;
  std::set<std::string> draining_;
};

}  // namespace

const char* harness_kind() { return "consul"; }

std::unique_ptr<BackendHarness> make_harness() {
  auto agent = ConsulAgent::start();
  if (!agent) {
    ADD_FAILURE() << agent.error();
    return nullptr;
  }
  return std::make_unique<ConsulHarness>(std::move(*agent));
}

}  // namespace rollcall::test
