// Announcing without a backend: what an operator sees of a provider that is not there, or cannot.
#include <filesystem>

#include "tests/backends/assert_done.h"
#include "tests/daemon/announce_fixture.h"

namespace rollcall::test {
namespace {

class Announce : public AnnounceFixture {};

TEST_F(Announce, NothingConfiguredNothingAnnounced) {
  const auto started = daemon_.start();
  ASSERT_TRUE(started) << started.error();
  const auto status = daemon_.admin().get_status();
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_TRUE(status->announcements().empty());
  EXPECT_EQ(daemon_.get("/metrics").body.find("rollcall_announce_state"), std::string::npos);
}

TEST_F(Announce, AProviderThatIsNotRegisteredIsWaitedForAndOneThatCannotIsSaid) {
  daemon_.set_config(announce_section("later"));
  const auto started = daemon_.start();
  ASSERT_TRUE(started) << started.error();
  EXPECT_TRUE(state_becomes("WAITING"));
  EXPECT_TRUE(daemon_.told("announce_waiting"));
  const auto added = daemon_.admin().register_provider(in_memory_provider("later", 1));
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_TRUE(state_becomes("UNABLE"));
  EXPECT_EQ(announcement().last_error_code(), "CAPABILITY_MISSING");
  EXPECT_TRUE(daemon_.told("kind in-memory cannot announce"));
  EXPECT_EQ(metric(R"(rollcall_announce_state{provider="later",state="UNABLE"})"), 1);
  EXPECT_EQ(metric(R"(rollcall_announce_state{provider="later",state="LISTED"})"), 0);
  // Nothing of this disturbs serving.
  ASSERT_DONE(daemon_.admin().join_member(member("m1"), ProviderId("later")));
  EXPECT_TRUE(serves_node("m1"));
  ASSERT_DONE(daemon_.admin().remove_provider(ProviderId("later")));
  EXPECT_TRUE(state_becomes("WAITING"));
  const auto ended = daemon_.stop();
  ASSERT_TRUE(ended.has_value());
  EXPECT_TRUE(ended->ok()) << ended->code << " " << ended->signal;
}

TEST_F(Announce, KindsSayWhetherTheyCan) {
  const auto started = daemon_.start();
  ASSERT_TRUE(started) << started.error();
  const auto kinds = daemon_.admin().list_kinds();
  ASSERT_TRUE(kinds) << kinds.error().message;
  std::string able;
  for (const auto& kind : kinds->kinds()) {
    if (kind.announces()) able += kind.kind() + " ";
  }
  EXPECT_EQ(able, "consul custom etcd local ");
}

TEST_F(Announce, AWrongSectionIsRefusedWithEverythingThatIsWrong) {
  daemon_.set_config("announce: {providers: [a, a], host: 'x:1', port: 0, ttl: 1s, wieght: 2}\n");
  const auto ended = daemon_.start_and_fail();
  ASSERT_TRUE(ended) << ended.error();
  EXPECT_EQ(ended->code, 3);
  for (const char* field :
       {"announce.providers", "announce.port", "announce.ttl", "announce.wieght"}) {
    EXPECT_NE(daemon_.output().find(field), std::string::npos) << field << daemon_.output();
  }
}

TEST_F(Announce, InTheProcessRegistryItIsThisProcessAndComesBack) {
  daemon_.set_config("providers: [{id: here, kind: local, priority: 10}]\n" +
                     announce_section("here", "ttl: 3s"));
  const auto started = daemon_.start();
  ASSERT_TRUE(started) << started.error();
  ASSERT_TRUE(state_becomes("LISTED"));
  EXPECT_TRUE(serves_node());
  const std::string registry = daemon_.state_dir() + "/local/registry.jsonl";
  EXPECT_NE(read_file(registry).find("\"pid\":" + std::to_string(daemon_.process().pid())),
            std::string::npos);
  EXPECT_NE(read_file(registry).find(daemon_.socket()), std::string::npos);  // its own socket
  std::filesystem::remove(registry);
  EXPECT_TRUE(
      becomes("back", [](const auto& a) { return a.lost() >= 1 && a.state() == "LISTED"; }));
  const auto ended = daemon_.stop();
  ASSERT_TRUE(ended.has_value());
  EXPECT_TRUE(ended->ok());
  EXPECT_EQ(read_file(registry).find("\"id\":\"n1\""), std::string::npos) << read_file(registry);
}

TEST_F(Announce, ThroughAPluginItIsAMemberUntilTheEnd) {
  const std::string members = (daemon_.directory() / "members").string();
  std::filesystem::create_directories(members);
  const auto with_arguments = [&](const std::string& arguments) {
    return "providers: [{id: mine, kind: custom, priority: 10, watch_params: {command: '" +
           (bin_dir() / "rollcall-plugin-directory").string() + "', args: '" + arguments +
           "', start_ms: 60000, attest_ms: 500, config: '{\"directory\": \"" + members +
           "\"}'}}]\nadmission: {allow_unreachable: true}\n" + announce_section("mine", "ttl: 30s");
  };
  daemon_.set_config(with_arguments("[]"));
  const auto started = daemon_.start();
  ASSERT_TRUE(started) << started.error();
  ASSERT_TRUE(state_becomes("LISTED"));
  EXPECT_TRUE(serves_node());
  const std::string file = members + "/n1.announced.json";
  ASSERT_TRUE(std::filesystem::exists(file));
  std::filesystem::remove(file);  // behind our back: a later renewal puts it back
  EXPECT_TRUE(eventually(kHungProgram, [&] { return std::filesystem::exists(file); }));
  EXPECT_TRUE(state_becomes("LISTED"));
  // Other settings that lead to the same place: what they registered is not withdrawn with the old.
  const v1::AnnouncementState before = announcement();
  daemon_.set_config(with_arguments("[\"{socket}\"]"));
  ASSERT_TRUE(daemon_.reload());
  EXPECT_TRUE(becomes("registered by the new one", [&](const auto& a) {
    return a.registrations() > before.registrations() && a.state() == "LISTED";
  }));
  EXPECT_TRUE(std::filesystem::exists(file));
  EXPECT_EQ(announcement().missing(), before.missing());
  const auto ended = daemon_.stop();
  ASSERT_TRUE(ended.has_value());
  EXPECT_TRUE(ended->ok());
  EXPECT_FALSE(std::filesystem::exists(file));
}

}  // namespace
}  // namespace rollcall::test
