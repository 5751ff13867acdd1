// The example plug-ins, supervised and running already, as an operator would use them; and whom
// Rollcall trusts to serve a socket.
#include <gmock/gmock.h>
#include <grpc/grpc.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "core/limits.h"
#include "providers/common/unique_fd.h"
#include "tests/backends/environment.h"
#include "tests/backends/process.h"
#include "tests/providers/plugin_support.h"
#include "tests/providers/provider_support.h"

namespace rollcall::test {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PluginExamples : public ::testing::Test {
 protected:
  PluginExamples() { grpc_init(); }
  ~PluginExamples() override {
    EXPECT_TRUE(comes_to(own_children, 0)) << "a process was left behind";
    grpc_shutdown();
  }

  std::unique_ptr<ClusterProvider> in_cpp(const std::string& config) {
    return make_custom(clock_, {{"command", (bin_dir() / "rollcall-plugin-directory").string()},
                                {"config", config},
                                {"attest_ms", "100"},
                                {"start_ms", "60000"}});
  }
  std::unique_ptr<ClusterProvider> in_python(const std::string& config) {
    const auto program = source_dir() / "deploy/examples/plugins/python/inventory_plugin.py";
    const std::string modules = (bin_dir().parent_path() / "python-gen").string();
    return make_custom(
        clock_, {{"command", "/usr/bin/python3"},
                 {"args", "[\"" + program.string() + "\"]"},
                 {"env", R"({"PYTHONPATH":")" + modules + R"(","PYTHONDONTWRITEBYTECODE":"1"})"},
                 {"config", config},
                 {"attest_ms", "1000"},
                 {"start_ms", "60000"}});
  }
  static FailedAnswer failure(StreamReader& stream) {
    const ProviderEvent event = stream.until(
        [](const ProviderEvent& e) { return std::holds_alternative<FailedAnswer>(e); });
    const auto* failed = std::get_if<FailedAnswer>(&event);
    return failed == nullptr ? FailedAnswer{ErrorCode::NotFound, to_text(event)} : *failed;
  }
  static void until_event(StreamReader& stream, const std::string& wanted) {
    stream.until([&](const ProviderEvent& e) { return to_text(e) == wanted; });
  }
  std::string path(std::string_view name) const { return (directory_ / name).string(); }
  MonoTime in(Duration d) { return clock_.now() + d; }

  RealClock clock_;
  TempDir directory_;
};

// --- C++: a directory of member files ---

TEST_F(PluginExamples, TheDirectoryPluginFollowsFilesThatComeChangeAndGo) {
  const auto provider = in_cpp(R"({"directory":")" + directory_.path().string() + R"("})");
  write_and_rename(path("a.json"), R"({"id":"a","host":"10.0.0.1","port":7000,"weight":2})");
  StreamReader stream(provider->stream());
  until_event(stream, "snapshot[a]");
  write_and_rename(path("b.json"), R"({"id":"b","host":"10.0.0.2"})");
  until_event(stream, "change[+b]");
  write_and_rename(path("b.json"), R"({"id":"b","host":"10.0.0.3"})");
  until_event(stream, "change[+b]");
  std::filesystem::remove(path("a.json"));
  until_event(stream, "change[-a]");
  until_event(stream, "unchanged");
  const auto once = provider->initial_snapshot(in(seconds(60)));
  ASSERT_TRUE(once.has_value()) << once.error().message;
  EXPECT_THAT(ids_of(once->members), ElementsAre("b"));
}

TEST_F(PluginExamples, AFileThatMakesNoSenseIsAFailureAndNoLeave) {
  const auto provider = in_cpp(R"({"directory":")" + directory_.path().string() + R"("})");
  write_and_rename(path("a.json"), R"({"id":"a","host":"10.0.0.1"})");
  StreamReader stream(provider->stream());
  until_event(stream, "snapshot[a]");
  write_and_rename(path("b.json"), R"({"id":"b","hots":"10.0.0.2"})");
  const FailedAnswer failed = failure(stream);
  EXPECT_EQ(failed.code, ErrorCode::MalformedResponse);
  EXPECT_THAT(failed.detail, HasSubstr("b.json"));
  std::filesystem::remove(path("b.json"));
  until_event(stream, "snapshot[a]");
}

TEST_F(PluginExamples, R1_4_ADirectoryThatIsNotThereIsToldBeforeAcceptance) {
  const auto provider = in_cpp(R"({"directory":"/no/such/directory"})");
  const auto checked = provider->check_connectivity(in(seconds(60)));
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().code, ErrorCode::BackendUnavailable);
  EXPECT_THAT(checked.error().message, HasSubstr("/no/such/directory"));
}

TEST_F(PluginExamples, R1_1_AConfigurationThatThePluginRefusesIsInvalid) {
  for (const char* config : {"{}", R"({"directroy":"/tmp"})", R"({"directory":"tmp"})"}) {
    const auto checked = in_cpp(config)->check_connectivity(in(seconds(60)));
    ASSERT_FALSE(checked.has_value()) << config;
    EXPECT_EQ(checked.error().code, ErrorCode::InvalidConfig) << checked.error().message;
    EXPECT_THAT(checked.error().message, HasSubstr("config.")) << config;
  }
}

TEST_F(PluginExamples, ThousandsOfMembersComeInChunks) {
  for (int i = 0; i < 2500; ++i) {
    const std::string id = "node-" + std::to_string(i);
    write_in_place(path(id + ".json"), R"({"id":")" + id + R"(","host":"10.0.0.1"})");
  }
  const auto provider = in_cpp(R"({"directory":")" + directory_.path().string() + R"("})");
  const auto once = provider->initial_snapshot(in(seconds(60)));
  ASSERT_TRUE(once.has_value()) << once.error().message;
  EXPECT_EQ(once->members.size(), 2500u);
}

// --- Python: an inventory in CSV ---

TEST_F(PluginExamples, TheInventoryPluginFollowsAFile) {
  write_and_rename(path("nodes.csv"),
                   "id,host,port,zone,rack,status\na,10.0.0.1,7000,z1,r4,READY\n");
  const auto provider = in_python(R"({"csv_file":")" + path("nodes.csv") + R"("})");
  StreamReader stream(provider->stream());
  const ProviderEvent first =
      stream.until([](const ProviderEvent& e) { return to_text(e) == "snapshot[a]"; });
  const auto* snapshot = std::get_if<ProviderSnapshot>(&first);
  ASSERT_NE(snapshot, nullptr);
  ASSERT_EQ(snapshot->members.size(), 1u);
  EXPECT_EQ(snapshot->members[0].zone, "z1");
  EXPECT_EQ(snapshot->members[0].labels.at("rack"), "r4");
  write_and_rename(path("nodes.csv"),
                   "id,host,port,zone,rack,status\na,10.0.0.1,7000,z1,r4,DRAINING\n");
  const ProviderEvent draining =
      stream.until([](const ProviderEvent& e) { return to_text(e) == "change[+a]"; });
  const auto* change = std::get_if<ChangeAnswer>(&draining);
  ASSERT_NE(change, nullptr);
  EXPECT_EQ(change->upserts.at(0).status, NodeStatus::Draining);
  write_and_rename(path("nodes.csv"), "id,host,status\nb,10.0.0.2,DRAINING\n");
  until_event(stream, "change[+b -a]");
  write_and_rename(path("nodes.csv"), "id,host\nb,10.0.0.2\nb,10.0.0.3\n");
  EXPECT_EQ(failure(stream).code, ErrorCode::MalformedResponse);
  write_and_rename(path("nodes.csv"), "id,host\n");
  until_event(stream, "snapshot[]");
  std::filesystem::remove(path("nodes.csv"));
  EXPECT_EQ(failure(stream).code, ErrorCode::BackendUnavailable);
}

TEST_F(PluginExamples, TheInventoryPluginReadsACommand) {
  const auto provider = in_python(R"({"command":"printf 'id,host\\na,10.0.0.1\\n'"})");
  const auto once = provider->initial_snapshot(in(seconds(60)));
  ASSERT_TRUE(once.has_value()) << once.error().message;
  EXPECT_THAT(ids_of(once->members), ElementsAre("a"));
  const auto checked = in_python(R"({"command":"false"})")->check_connectivity(in(seconds(60)));
  ASSERT_FALSE(checked.has_value());
  EXPECT_EQ(checked.error().code, ErrorCode::BackendUnavailable);
  const auto refused = in_python("{}")->check_connectivity(in(seconds(60)));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::InvalidConfig) << refused.error().message;
}

// --- a plug-in that runs already ---

class RunningPlugin : public PluginExamples {
 protected:
  void SetUp() override {
    write_and_rename(path("a.json"), R"({"id":"a","host":"10.0.0.1"})");
    start();
  }
  void start() {
    auto plugin =
        Process::start({.argv = {(bin_dir() / "rollcall-plugin-directory").string(), socket()},
                        .environment = {},
                        .output = directory_ / "log",
                        .input = {},
                        .directory = {}});
    ASSERT_TRUE(plugin) << plugin.error();
    plugin_ = std::make_unique<Process>(std::move(*plugin));
    ASSERT_TRUE(eventually(kPatience, [&] { return std::filesystem::exists(socket()); }));
  }
  void TearDown() override { plugin_.reset(); }
  std::string socket() const { return path("plugin.sock"); }
  std::unique_ptr<ClusterProvider> create() {
    return make_custom(clock_,
                       {{"config", R"({"directory":")" + directory_.path().string() + R"("})"},
                        {"attest_ms", "100"}},
                       {"unix:" + socket()});
  }
  ErrorCode code_of_check() {
    const auto checked = create()->check_connectivity(in(seconds(60)));
    return checked.has_value() ? ErrorCode::NotFound : checked.error().code;
  }

  std::unique_ptr<Process> plugin_;
};

TEST_F(RunningPlugin, ARestartIsAFailureAndThenTheMembersAreBack) {
  const auto provider = create();
  StreamReader stream(provider->stream());
  until_event(stream, "snapshot[a]");
  plugin_->kill();
  EXPECT_EQ(failure(stream).code, ErrorCode::BackendUnavailable);
  std::filesystem::remove(socket());
  EXPECT_EQ(failure(stream).code, ErrorCode::BackendUnavailable);
  start();
  until_event(stream, "snapshot[a]");
}

TEST_F(RunningPlugin, SilenceIsATimeoutAndTheProcessIsNotRollcallsToEnd) {
  const auto provider = create();
  StreamReader stream(provider->stream());
  until_event(stream, "snapshot[a]");
  ASSERT_TRUE(plugin_->pause());
  EXPECT_EQ(failure(stream).code, ErrorCode::Timeout);
  ASSERT_TRUE(plugin_->resume());
  until_event(stream, "snapshot[a]");
  EXPECT_TRUE(plugin_->running());
}

TEST_F(RunningPlugin, ASocketThatEverybodyMayWriteToIsNotTrusted) {
  EXPECT_EQ(code_of_check(), ErrorCode::NotFound);  // no error
  ASSERT_EQ(0, ::chmod(socket().c_str(), 0666));
  EXPECT_EQ(code_of_check(), ErrorCode::PermissionDenied);
}

TEST_F(RunningPlugin, WhatIsNoSocketOrSpeaksNoGrpcIsAFailure) {
  plugin_.reset();
  std::filesystem::remove(socket());
  EXPECT_EQ(code_of_check(), ErrorCode::BackendUnavailable);
  write_in_place(socket(), "text");
  EXPECT_EQ(code_of_check(), ErrorCode::InvalidConfig);
  std::filesystem::remove(socket());

  // Somebody who listens and speaks another protocol.
  const UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(socket().size(), sizeof address.sun_path);
  std::strcpy(address.sun_path, socket().c_str());
  ASSERT_EQ(0, ::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address));
  ::chmod(socket().c_str(), 0600);
  ASSERT_EQ(0, ::listen(listener.get(), 1));
  std::thread server([&] {
    const UniqueFd peer(::accept(listener.get(), nullptr, nullptr));
    const std::string_view text = "220 mail.example ESMTP\r\n";
    EXPECT_GT(::write(peer.get(), text.data(), text.size()), 0);
  });
  EXPECT_EQ(code_of_check(), ErrorCode::BackendUnavailable);
  server.join();
}

}  // namespace
}  // namespace rollcall::test
