// Announcing without a backend: what an operator sees of a provider that is not there, or cannot.
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
  ASSERT_TRUE(daemon_.admin().join_member(member("m1"), ProviderId("later")));
  EXPECT_TRUE(serves_node("m1"));
  ASSERT_TRUE(daemon_.admin().remove_provider(ProviderId("later")));
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

}  // namespace
}  // namespace rollcall::test
