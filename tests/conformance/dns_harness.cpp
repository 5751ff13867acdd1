// NEEDS: dns
#include <gtest/gtest.h>

#include "tests/backends/dns_server.h"
#include "tests/conformance/backend_harness.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

class DnsHarness : public BackendHarness {
 public:
  explicit DnsHarness(std::unique_ptr<DnsServerProcess> server) : server_(std::move(server)) {}
  ProviderDescriptor descriptor() override {
    ProviderDescriptor d;
    d.id = ProviderId("dns");
    d.kind = "dns";
    d.endpoints = {server_->address()};
    d.watch_params = {{"name", "_web._tcp.rollcall.test"},
                      {"id", "name"},
                      {"min_ttl_ms", "50"},
                      {"max_ttl_ms", "1000"},
                      {"timeout_ms", "600"}};
    return d;
  }
  ProviderContext context() override { return {&clock_, nullptr, ""}; }
  void set_members(ClusterProvider&, const std::vector<ClusterNode>& nodes) override {
    std::string records;
    for (const ClusterNode& node : nodes) {
      records += "_web._tcp SRV 0 " + std::to_string(node.weight) + " " +
                 std::to_string(node.port) + " " + node.id.str() + "\n";
      records += node.id.str() + " A " + node.host + "\n";
    }
    const auto done = server_->set_records(records);
    ASSERT_TRUE(done) << done.error();
  }
  // DNS knows an address, a port and a weight, and a name that is a whole one.
  ClusterNode as_told(const ClusterNode& node) override {
    ClusterNode told =
        make_node(node.id.str() + ".rollcall.test:" + std::to_string(node.port), node.port);
    told.host = node.host;
    told.weight = node.weight;
    return told;
  }
  bool break_down() override { return server_->pause(); }
  bool refuse() override {
    server_->kill();
    return true;
  }
  void repair() override {
    if (server_->resume()) return;
    const auto restarted = server_->restart();
    ASSERT_TRUE(restarted) << restarted.error();
  }

 private:
  RealClock clock_;
  std::unique_ptr<DnsServerProcess> server_;
};

}  // namespace

const char* harness_kind() { return "dns"; }

std::unique_ptr<BackendHarness> make_harness() {
  auto server = DnsServerProcess::start();
  if (!server) {
    ADD_FAILURE() << server.error();
    return nullptr;
  }
  return std::make_unique<DnsHarness>(std::move(*server));
}

}  // namespace rollcall::test
