// A real Consul agent, a real rollcalld that follows it, and a file with the same members as
// standby.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/backends/assert_done.h"
#include "tests/backends/consul_agent.h"
#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {

class ConsulFixture : public ::testing::Test {
 protected:
  void start_agent(ConsulAgent::Options options = {}) {
    auto agent = ConsulAgent::start(std::move(options));
    ASSERT_TRUE(agent) << agent.error();
    agent_ = std::move(*agent);
  }
  // `policy`: lines of the section `failover`.
  void start_daemon(const std::string& policy) {
    daemon_.set_config("failover: {" + policy + "}\nadmission: {allow_unreachable: true}\n");
    ASSERT_DONE(daemon_.start());
  }
  void add_service(const std::string& id, const std::string& status = "passing") {
    ASSERT_DONE(agent_->register_service({.name = "db",
                                          .id = id,
                                          .address = "10.0.0.1",
                                          .port = 5432,
                                          .tags = {"primary"},
                                          .meta = {{"rack", "r1"}},
                                          .status = status}));
  }
  void follow_consul(const std::string& token_file = "") {
    ProviderDescriptor d = consul_provider("consul", 10, agent_->url(), "db");
    d.watch_params["id"] = "service";
    d.watch_params["wait_ms"] = "200";
    d.auth.token_file = token_file;
    const auto accepted = daemon_.admin().register_provider(d);
    ASSERT_TRUE(accepted) << accepted.error().message;
  }
  // What `consumer` holds now, as a file of lower priority.
  void stand_by_with(const RecordingConsumer& consumer) {
    std::vector<ClusterNode> nodes;
    consumer.view().members.for_each([&](const Member& m) { nodes.push_back(*m.node); });
    const std::string path = (daemon_.directory() / "standby.json").string();
    replace_file(path, member_file(nodes));
    const auto accepted = daemon_.admin().register_provider(file_provider("standby", 1, path));
    ASSERT_TRUE(accepted) << accepted.error().message;
    ASSERT_TRUE(eventually(kHungProgram, [&] {
      const auto state = daemon_.admin().get_provider(ProviderId("standby"));
      return state && state->health() == v1::HEALTH_HEALTHY && state->members() == nodes.size();
    }));
  }
  bool state_becomes(const std::string& id,
                     const std::function<bool(const v1::ProviderState&)>& matches) {
    return eventually(kHungProgram, [&] {
      const auto state = daemon_.admin().get_provider(ProviderId(id));
      return state && matches(*state);
    });
  }
  static std::function<bool(const v1::ClusterEvent&)> change_to(const std::string& id,
                                                                v1::FailoverReason reason) {
    return [=](const v1::ClusterEvent& e) {
      return e.has_provider_changed() && e.provider_changed().to_provider_id() == id &&
             e.provider_changed().reason() == reason;
    };
  }
  // Nothing joined, nothing left, nothing changed for any consumer since it subscribed.
  static void expect_no_change(const RecordingConsumer& consumer) {
    EXPECT_TRUE(consumer.events(v1::ClusterEvent::kDelta).empty()) << consumer.describe();
    EXPECT_TRUE(consumer.events(v1::ClusterEvent::kRemoteTopology).empty()) << consumer.describe();
    EXPECT_TRUE(consumer.troubles().empty()) << consumer.describe();
  }
  std::string metric(const std::string& name) {
    const std::string page = daemon_.get("/metrics").body;
    const std::size_t at = page.find("\n" + name + " ");
    if (at == std::string::npos) return "";
    const std::size_t value = at + name.size() + 2;
    return page.substr(value, page.find('\n', value) - value);
  }
  bool measured(const std::string& name) {
    return eventually(kHungProgram, [&] {
      const std::string value = metric(name);
      return !value.empty() && value != "0";
    });
  }

  std::unique_ptr<ConsulAgent> agent_;
  DaemonProcess daemon_;
};

}  // namespace rollcall::test
