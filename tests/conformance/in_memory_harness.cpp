#include <gtest/gtest.h>

#include "tests/conformance/backend_harness.h"
#include "tests/providers/provider_support.h"
#include "tests/support/mem_file_system.h"

namespace rollcall::test {
namespace {

class InMemoryHarness : public BackendHarness {
 public:
  ProviderDescriptor descriptor() override {
    ProviderDescriptor d;
    d.id = ProviderId("mem");
    d.kind = "in-memory";
    d.watch_params["attest_ms"] = "50";
    return d;
  }
  ProviderContext context() override { return {&clock_, &files_, "/state"}; }
  void set_members(ClusterProvider& provider, const std::vector<ClusterNode>& nodes) override {
    MemberRegistrar* registrar = provider.registrar();
    ASSERT_NE(registrar, nullptr);
    const auto before = provider.initial_snapshot({});
    ASSERT_TRUE(before.has_value());
    for (const ClusterNode& old : before->members) {
      bool kept = false;
      for (const ClusterNode& node : nodes) kept = kept || node.id == old.id;
      if (kept) continue;
      ASSERT_TRUE(registrar->leave(old.id).has_value());
    }
    for (const ClusterNode& node : nodes) ASSERT_TRUE(registrar->join(node).has_value());
  }
  bool break_down() override { return false; }
  void repair() override {}

 private:
  RealClock clock_;
  MemFileSystem files_;
};

}  // namespace

const char* harness_kind() { return "in-memory"; }
std::unique_ptr<BackendHarness> make_harness() { return std::make_unique<InMemoryHarness>(); }

}  // namespace rollcall::test
