// LIBS: rollcall_proto_grpc
// PROGRAMS: rollcall-plugin-directory
// The kind `custom` with the example plug-in in C++, running already: so it can be stopped.
#include <google/protobuf/util/json_util.h>
#include <grpc/grpc.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "rollcall/v1/events.pb.h"
#include "tests/backends/environment.h"
#include "tests/backends/process.h"
#include "tests/conformance/backend_harness.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

std::string node_file(const ClusterNode& node) {
  v1::Node message;
  message.set_id(node.id.str());
  message.set_host(node.host);
  message.set_port(node.port);
  message.set_zone(node.zone);
  for (const auto& [key, value] : node.labels) (*message.mutable_labels())[key] = value;
  message.set_weight(node.weight);
  message.set_status(static_cast<v1::NodeStatus>(node.status));  // the same frozen numbers
  message.set_incarnation(node.incarnation);
  std::string text;
  EXPECT_TRUE(google::protobuf::util::MessageToJsonString(message, &text).ok());
  return text;
}

class CustomHarness : public BackendHarness {
 public:
  CustomHarness() {
    grpc_init();  // what gRPC opens once for a process stays open, and is not taken for a leak
    std::filesystem::create_directory(members_);
    start();
  }
  ~CustomHarness() override { grpc_shutdown(); }

  bool running() const {
    return plugin_ != nullptr &&
           eventually(kPatience, [&] { return std::filesystem::exists(socket_); });
  }
  ProviderDescriptor descriptor() override {
    ProviderDescriptor d;
    d.id = ProviderId("custom");
    d.kind = "custom";
    d.endpoints = {"unix:" + socket_};
    d.watch_params = {{"config", R"({"directory":")" + members_.string() + R"("})"},
                      {"attest_ms", "50"}};
    return d;
  }
  ProviderContext context() override { return {&clock_, nullptr, ""}; }
  void set_members(ClusterProvider&, const std::vector<ClusterNode>& nodes) override {
    std::set<std::string> wanted;
    for (const ClusterNode& node : nodes) {
      const std::string name = node.id.str() + ".json";
      write_and_rename((members_ / name).string(), node_file(node));
      wanted.insert(name);
    }
    for (const auto& entry : std::filesystem::directory_iterator(members_)) {
      if (!wanted.contains(entry.path().filename())) std::filesystem::remove(entry.path());
    }
  }
  bool break_down() override { return plugin_->pause(); }
  bool refuse() override {
    plugin_->kill();
    return true;
  }
  void repair() override {
    if (plugin_->resume()) return;
    std::filesystem::remove(socket_);
    start();
    ASSERT_TRUE(running());
  }

 private:
  void start() {
    Process::Options options;
    options.argv = {(bin_dir() / "rollcall-plugin-directory").string(), socket_};
    options.output = directory_ / "plugin.log";
    auto plugin = Process::start(options);
    EXPECT_TRUE(plugin) << (plugin ? "" : plugin.error());
    if (plugin) plugin_ = std::make_unique<Process>(std::move(*plugin));
  }

  RealClock clock_;
  TempDir directory_;
  const std::filesystem::path members_ = directory_ / "members";
  const std::string socket_ = (directory_ / "plugin.sock").string();
  std::unique_ptr<Process> plugin_;
};

}  // namespace

const char* harness_kind() { return "custom"; }

std::unique_ptr<BackendHarness> make_harness() {
  auto harness = std::make_unique<CustomHarness>();
  return harness->running() ? std::move(harness) : nullptr;
}

}  // namespace rollcall::test
