// This node through the example plug-ins: a member until it is withdrawn, back after the plug-in
// was killed, gone when nobody renews it; and plug-ins that do not offer it.
#include <gmock/gmock.h>
#include <grpc/grpc.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "tests/backends/environment.h"
#include "tests/backends/process.h"
#include "tests/providers/announce_support.h"
#include "tests/providers/plugin_support.h"

namespace rollcall::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

class CustomAnnouncer : public ::testing::TestWithParam<const char*> {
 protected:
  CustomAnnouncer() { grpc_init(); }
  ~CustomAnnouncer() override {
    announcer_.reset();
    provider_.reset();
    EXPECT_TRUE(comes_to(own_children, 0)) << "a process was left behind";
    grpc_shutdown();
  }
  bool in_python() const { return std::string(GetParam()) == "python"; }
  Params params() {
    if (!in_python()) {
      return {{"command", (bin_dir() / "rollcall-plugin-directory").string()},
              {"config", R"({"directory":")" + directory_.path().string() + R"("})"},
              {"attest_ms", "200"},
              {"start_ms", "60000"}};
    }
    write_file(directory_ / "nodes.csv", "id,host\n");
    const auto program = source_dir() / "deploy/examples/plugins/python/inventory_plugin.py";
    const std::string modules = (bin_dir().parent_path() / "python-gen").string();
    return {{"command", "/usr/bin/python3"},
            {"args", "[\"-B\",\"" + program.string() + "\"]"},
            {"env", R"({"PYTHONPATH":")" + modules + R"("})"},
            {"config", R"({"csv_file":")" + (directory_ / "nodes.csv").string() + R"("})"},
            {"attest_ms", "1000"},
            {"start_ms", "60000"}};
  }
  void use() {
    provider_ = make_custom(clock_, params());
    announcer_ = provider_->announcer(what_);
    ASSERT_TRUE(announcer_);
  }
  MonoTime soon() const { return clock_.now() + 60s; }
  std::vector<std::string> ids() {
    const auto list = provider_->initial_snapshot(soon());
    EXPECT_TRUE(list.has_value()) << (list ? "" : list.error().message);
    return list ? ids_of(list->members) : std::vector<std::string>{"failed"};
  }

  RealClock clock_;
  TempDir directory_;
  Announcement what_ = announcement();
  std::unique_ptr<ClusterProvider> provider_;
  std::unique_ptr<Announcer> announcer_;
};
INSTANTIATE_TEST_SUITE_P(Examples, CustomAnnouncer, ::testing::Values("cpp", "python"));

TEST_P(CustomAnnouncer, TheNodeIsAMemberUntilItIsWithdrawn) {
  use();
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");  // nothing was announced
  const auto announced = announcer_->register_node(soon());
  ASSERT_TRUE(announced.has_value()) << announced.error().message;
  EXPECT_EQ(announced->listed_as, NodeId("n1"));
  EXPECT_EQ(announced->ttl, what_.ttl);
  const auto list = provider_->initial_snapshot(soon());
  ASSERT_TRUE(list.has_value()) << list.error().message;
  EXPECT_THAT(list->members, ElementsAre(what_.node));
  EXPECT_EQ(text_of(announcer_->renew(soon())), "KNOWN");
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
  EXPECT_THAT(ids(), IsEmpty());
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
}

TEST_P(CustomAnnouncer, APluginThatWasKilledIsStartedAgainAndToldAgain) {
  use();
  ASSERT_EQ(code_of(announcer_->register_node(soon())), "OK");
  for (const ProcessInfo& process : all_processes()) {
    if (process.parent == ::getpid()) ::kill(process.pid, SIGKILL);
  }
  EXPECT_EQ(text_of(announcer_->renew(soon())), "NOT_KNOWN");
  EXPECT_EQ(code_of(announcer_->register_node(soon())), "OK");
  EXPECT_EQ(text_of(announcer_->renew(soon())), "KNOWN");
  EXPECT_THAT(ids(), ElementsAre("n1"));
}

TEST_P(CustomAnnouncer, NobodyThatRenewsItMeansGone) {
  what_ = announcement("n1", 1s);
  use();
  ASSERT_EQ(code_of(announcer_->register_node(soon())), "OK");
  announcer_.reset();
  EXPECT_TRUE(eventually(kPatience, [&] { return ids().empty(); }));
}

TEST_P(CustomAnnouncer, AnIdOfAnotherAddressIsNeverTakenOver) {
  use();
  if (in_python()) {
    write_file(directory_ / "nodes.csv", "id,host,port\nn1,10.0.0.1,80\n");
  } else {
    write_file(directory_ / "other.json", R"({"id":"n1","host":"10.0.0.1","port":80})");
  }
  const auto refused = announcer_->register_node(soon());
  EXPECT_EQ(code_of(refused), "DUPLICATE_NAME") << message_of(refused);
  EXPECT_EQ(code_of(announcer_->withdraw(soon())), "OK");
  EXPECT_THAT(ids(), ElementsAre("n1"));
}

TEST_P(CustomAnnouncer, ABackendThatCannotBeWrittenIsToldByItsCode) {
  use();
  ASSERT_EQ(code_of(announcer_->register_node(soon())), "OK");
  std::filesystem::remove_all(directory_.path());
  EXPECT_EQ(code_of(announcer_->register_node(soon())), "BACKEND_UNAVAILABLE");
  std::filesystem::create_directories(directory_.path());
}

// What is announced is withdrawn from a place that was left, but only if it surely is another one.
TEST_P(CustomAnnouncer, OtherSettingsMayLeadToTheSamePlaceAndHaveTheSameName) {
  use();
  ASSERT_EQ(code_of(announcer_->register_node(soon())), "OK");
  Params other = params();
  other["args"] = in_python() ? "[\"-s\"," + other["args"].substr(1) : R"(["{socket}"])";
  const auto provider = make_custom(clock_, other);
  const auto announcer = provider->announcer(what_);
  ASSERT_TRUE(announcer);
  ASSERT_EQ(code_of(announcer->register_node(soon())), "OK");
  EXPECT_EQ(announcer->registration(), announcer_->registration());
}

TEST_P(CustomAnnouncer, CancelledItEndsEveryCall) {
  use();
  announcer_->cancel();
  EXPECT_FALSE(announcer_->register_node(soon()).has_value());
}

class CustomAnnouncerElse : public ::testing::Test {
 protected:
  CustomAnnouncerElse() { grpc_init(); }
  ~CustomAnnouncerElse() override { grpc_shutdown(); }
  std::unique_ptr<Announcer> misbehaving(const std::string& mode) {
    const auto provider =
        make_custom(clock_, {{"command", (bin_dir() / "tests" / "misbehaving_plugin").string()},
                             {"args", "[\"" + mode + "\"]"},
                             {"attest_ms", "1000"},
                             {"start_ms", "60000"}});
    return provider->announcer(announcement());
  }

  RealClock clock_;
};

TEST_F(CustomAnnouncerElse, APluginThatMisbehavesIsAnErrorOfItsOwn) {
  const struct {
    const char* mode;
    const char* code;
  } faults[] = {{"announce-hangs", "TIMEOUT"},
                {"announce-crashes", "BACKEND_UNAVAILABLE"},
                {"announce-refused", "DUPLICATE_NAME"},
                {"announce-not-served", "CAPABILITY_MISSING"},
                {"announce-never", "MALFORMED_RESPONSE"},
                {"announce-hammer", "MALFORMED_RESPONSE"},
                {"announce-seldom", "MALFORMED_RESPONSE"}};
  for (const auto& [mode, code] : faults) {
    const auto announcer = misbehaving(mode);
    // The hang has to be waited out; the others must not time out on a busy machine.
    const auto patience = std::string(mode) == "announce-hangs" ? 2s : 60s;
    const auto refused = announcer->register_node(clock_.now() + patience);
    EXPECT_EQ(code_of(refused), code) << mode << ": " << message_of(refused);
  }
  const auto hanging = misbehaving("announce-hangs");
  expect_cancellable(*hanging, [&] { return hanging->register_node(clock_.now() + 60s); });
}

TEST_F(CustomAnnouncerElse, APluginThatDoesNotOfferItLacksACapability) {
  const auto announcer = misbehaving("attest");
  const auto refused = announcer->register_node(clock_.now() + 60s);
  EXPECT_EQ(code_of(refused), "CAPABILITY_MISSING");
  EXPECT_THAT(message_of(refused), HasSubstr("announce"));
  EXPECT_EQ(code_of(announcer->withdraw(clock_.now() + 60s)), "OK");
}

}  // namespace
}  // namespace rollcall::test
