// A real Consul agent, a real rollcalld that follows it, and a file with the same members as
// standby.
#pragma once

#include <memory>
#include <string>

#include "tests/backends/consul_agent.h"
#include "tests/daemon/failover_fixture.h"

namespace rollcall::test {

class ConsulFixture : public FailoverFixture {
 protected:
  void start_agent(ConsulAgent::Options options = {}) {
    auto agent = ConsulAgent::start(std::move(options));
    ASSERT_TRUE(agent) << agent.error();
    agent_ = std::move(*agent);
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
    accept(d);
  }

  std::unique_ptr<ConsulAgent> agent_;
};

}  // namespace rollcall::test
