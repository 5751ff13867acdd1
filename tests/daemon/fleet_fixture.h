// Several real sidecars on one real etcd that holds their providers.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "provisioning/fleet/fleet_document.h"
#include "tests/backends/assert_done.h"
#include "tests/backends/etcd_server.h"
#include "tests/daemon/daemon_process.h"

namespace rollcall::test {

class FleetFixture : public ::testing::Test {
 protected:
  static constexpr std::size_t kSidecars = 3;
  static constexpr const char* kKey = "/rollcall/default/providers";

  void start_etcd(EtcdServer::Options options = {}) {
    auto server = EtcdServer::start(std::move(options));
    ASSERT_TRUE(server) << server.error();
    etcd_ = std::move(*server);
  }
  std::string config() const {
    return "store: {kind: etcd, endpoints: ['" + etcd_->url() + "']" + credentials_ + "}\n";
  }
  // One that is made and not yet started.
  DaemonProcess& add_sidecar() {
    sidecars_.push_back(std::make_unique<DaemonProcess>());
    sidecars_.back()->set_config(config());
    return *sidecars_.back();
  }
  void start_fleet(std::size_t count = kSidecars) {
    start_etcd();
    if (HasFatalFailure()) return;
    for (std::size_t i = 0; i < count; ++i) ASSERT_DONE(add_sidecar().start());
  }
  DaemonProcess& sidecar(std::size_t i) { return *sidecars_.at(i); }

  // A provider that every sidecar of this host can follow; its list is there, if only empty.
  ProviderDescriptor list(const std::string& id, int priority = 0) {
    if (!std::filesystem::exists(directory_ / (id + ".json"))) write_list(id, {});
    return file_provider(id, priority, (directory_ / (id + ".json")).string());
  }
  void write_list(const std::string& id, const std::vector<ClusterNode>& members) {
    replace_file(directory_ / (id + ".json"), member_file(members));
  }

  static std::uint64_t revision(const DaemonProcess& daemon) {
    const auto status = daemon.admin().get_status();
    return status ? status->revision() : 0;
  }
  // "revision 3: a b", or what went wrong.
  static std::string set_of(const DaemonProcess& daemon) {
    const auto providers = daemon.admin().list_providers();
    if (!providers) return providers.error().message;
    std::string text = "revision " + std::to_string(providers->revision()) + ":";
    for (const auto& p : providers->providers()) text += " " + p.provider().id();
    return text;
  }
  static bool comes_to(const DaemonProcess& daemon, const std::string& set) {
    return eventually(kHungProgram, [&] { return set_of(daemon) == set; });
  }
  void expect_all(const std::string& set) {
    for (const auto& daemon : sidecars_) {
      EXPECT_TRUE(comes_to(*daemon, set)) << set_of(*daemon) << ", not " << set;
    }
  }
  static v1::StoreState store(const DaemonProcess& daemon) {
    const auto status = daemon.admin().get_status();
    return status ? status->store() : v1::StoreState();
  }
  static bool store_is(const DaemonProcess& daemon, const std::string& state) {
    return eventually(kHungProgram, [&] { return store(daemon).state() == state; });
  }
  // The ids that are served, "a b".
  static std::string members(const DaemonProcess& daemon) {
    const auto topology = daemon.admin().get_topology();
    if (!topology) return "error: " + topology.error().message;
    std::string out;
    topology->view().members.for_each(
        [&](const Member& m) { out += (out.empty() ? "" : " ") + m.id().str(); });
    return out;
  }
  static bool serves(const DaemonProcess& daemon, const std::string& wanted) {
    return eventually(kHungProgram, [&] { return members(daemon) == wanted; });
  }
  static client::WriteOptions at_revision(std::uint64_t revision) {
    client::WriteOptions options;
    options.expected_revision = revision;
    return options;
  }
  // The fleet's document as it is in etcd.
  FleetSet stored() {
    const auto text = etcd_->get(kKey);
    EXPECT_TRUE(text && *text) << "there is no document";
    if (!text || !*text) return {};
    auto set = decode_fleet_document(**text);
    EXPECT_TRUE(set) << (set ? "" : set.error().error.message);
    return set ? std::move(*set) : FleetSet{};
  }

  TempDir directory_;
  std::string credentials_;  // more of the section `store`: ", auth: {…}"
  std::unique_ptr<EtcdServer> etcd_;
  std::vector<std::unique_ptr<DaemonProcess>> sidecars_;
};

}  // namespace rollcall::test
