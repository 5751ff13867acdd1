// The process registry as what a sidecar follows: held by a process that hangs, broken, open to
// others; and nodes that drain, there and in a file.
#include <sys/stat.h>

#include <filesystem>

#include "providers/local/registry/host_clock.h"
#include "providers/local/registry/local_registry.h"
#include "provisioning/registry/posix_file_system.h"
#include "tests/daemon/failover_fixture.h"

namespace rollcall::test {
namespace {

class LocalFailover : public FailoverFixture {
 protected:
  void SetUp() override {
    start_daemon();
    ProviderDescriptor d;
    d.id = ProviderId("here");
    d.kind = "local";
    d.priority = 10;
    d.watch_params = {
        {"labels", "false"}, {"attest_ms", "50"}, {"poll_ms", "20"}, {"lock_wait_ms", "50"}};
    auto started = Process::start({.argv = {"/bin/sleep", "100000"},
                                   .environment = {},
                                   .output = {},
                                   .input = {},
                                   .directory = {}});
    ASSERT_TRUE(started) << started.error();
    process_.emplace(std::move(*started));
    put("n1", NodeStatus::Ready);
    put("n2", NodeStatus::Ready);
    accept(d);
    serve({"n1", "n2"});
  }
  void put(const std::string& id, NodeStatus status) {
    Registration r;
    r.node.id = NodeId(id);
    r.node.status = status;
    r.socket = "/run/" + id + ".sock";
    ASSERT_DONE(registry_.register_process(r, process_->pid()));
  }
  void write_registry(const std::string& text) {
    const std::string beside = (daemon_.directory() / "registry.new").string();
    write_file(beside, text);
    ASSERT_EQ(0, ::chmod(beside.c_str(), 0600));
    std::filesystem::rename(beside, path(kLocalRegistryFile));
  }
  std::string path(std::string_view name) const {
    return registry_.directory() + "/" + std::string(name);
  }

  PosixFileSystem files_;
  HostClock clock_;
  LocalRegistry registry_{files_, clock_, daemon_.state_dir() + "/local"};
  std::optional<Process> process_;
};

TEST_F(LocalFailover, R2_5_AHeldABrokenAndAnOpenRegistryAreOutagesOfTheirOwn) {
  {
    const auto held = RegistryLock::acquire(path(kLocalLockFile), clock_, {});
    ASSERT_TRUE(held) << held.error().message;
    expect_failover("here", v1::FAILOVER_REASON_TIMEOUT, "TIMEOUT");
  }
  expect_way_back("here");
  const std::string good = read_file(path(kLocalRegistryFile));
  write_registry(good.substr(0, good.size() / 2));
  expect_failover("here", v1::FAILOVER_REASON_HEALTH_DEGRADED, "STORE_CORRUPTED");
  write_registry(good);
  expect_way_back("here");
  ASSERT_EQ(0, ::chmod(registry_.directory().c_str(), 0755));
  expect_failover("here", v1::FAILOVER_REASON_HEALTH_DEGRADED, "PERMISSION_DENIED");
  ASSERT_EQ(0, ::chmod(registry_.directory().c_str(), 0700));
  expect_way_back("here");
}

TEST_F(LocalFailover, R4_1_ANodeThatDrainsIsAChangeHereAndInAFile) {
  put("n1", NodeStatus::Draining);
  expect_one_change("n1");
  std::vector<ClusterNode> nodes;
  consumer_->view().members.for_each([&](const Member& m) { nodes.push_back(*m.node); });
  const std::string list = (daemon_.directory() / "list.json").string();
  replace_file(list, member_file(nodes));
  accept(file_provider("list", 20, list));
  ASSERT_TRUE(is_told(change_to("list", v1::FAILOVER_REASON_RECOVERED))) << consumer_->describe();
  for (ClusterNode& node : nodes) node.status = NodeStatus::Draining;
  replace_file(list, member_file(nodes));
  expect_one_change("n2");
}

}  // namespace
}  // namespace rollcall::test
