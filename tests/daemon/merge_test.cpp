// Two providers at once (topology.mode: merge): the union, where each member comes from, and who
// may take one away; over a reload into that mode and out of it.

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "tests/backends/assert_done.h"
#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {
namespace {

class Merge : public ::testing::Test {
 protected:
  std::string config(const std::string& mode) {
    return "topology: {mode: " + mode +
           "}\n"
           "providers:\n"
           "  - {id: memory, kind: in-memory, priority: 10}\n"
           "  - {id: list, kind: file, priority: 5, watch_params: {path: '" +
           list_.string() + "', poll_ms: 200}}\n";
  }
  void SetUp() override {
    list_ = daemon_.directory() / "members.yaml";
    replace_file(list_, member_file({member("a", 9001), member("b", 9002)}));
    daemon_.set_config(config("merge"));
    auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
  }
  // The ids that are served, "a b c".
  std::string ids() const {
    const auto topology = daemon_.admin().get_topology();
    std::string out;
    if (!topology) return "error: " + topology.error().message;
    topology->view().members.for_each(
        [&](const Member& m) { out += (out.empty() ? "" : " ") + m.id().str(); });
    return out;
  }
  bool serves(const std::string& wanted) const {
    return eventually(kHungProgram, [&] { return ids() == wanted; });
  }

  DaemonProcess daemon_;
  std::filesystem::path list_;
};

TEST_F(Merge, TheUnionIsServedAndEachMemberSaysWhereItComesFrom) {
  ASSERT_DONE(daemon_.admin().join_member(member("a", 7001), ProviderId("memory")));
  ASSERT_DONE(daemon_.admin().join_member(member("c", 7003), ProviderId("memory")));
  ASSERT_TRUE(serves("a b c")) << ids();

  const auto both = daemon_.admin().get_member(NodeId("a"));
  ASSERT_TRUE(both) << both.error().message;
  ASSERT_TRUE(eventually(kHungProgram, [&] {
    const auto now = daemon_.admin().get_member(NodeId("a"));
    return now && now->node().port() == 7001;  // of the higher priority
  }));
  ASSERT_EQ(both->listings_size(), 2);
  EXPECT_EQ(both->listings(0).provider_id(), "memory");
  EXPECT_EQ(both->listings(0).node().port(), 7001u);
  EXPECT_EQ(both->listings(1).provider_id(), "list");
  EXPECT_EQ(both->listings(1).node().port(), 9001u);
  const auto one = daemon_.admin().get_member(NodeId("b"));
  ASSERT_TRUE(one);
  ASSERT_EQ(one->listings_size(), 1);
  EXPECT_EQ(one->listings(0).provider_id(), "list");
  const auto nobody = daemon_.admin().get_member(NodeId("z"));
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, ErrorCode::NotFound);
}

TEST_F(Merge, TheTopologyAsJsonSaysWhoListsAMember) {
  ASSERT_DONE(daemon_.admin().join_member(member("a", 7001), ProviderId("memory")));
  ASSERT_DONE(daemon_.admin().join_member(member("c", 7003), ProviderId("memory")));
  ASSERT_TRUE(serves("a b c")) << ids();
  const HttpReply reply = daemon_.get("/v1/topology?provenance=true");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.etag, "");
  std::map<std::string, std::vector<std::string>> providers;
  const auto document = nlohmann::json::parse(reply.body);
  for (const auto& m : document["members"]) {
    providers[m["id"]] = m["providers"].get<std::vector<std::string>>();
  }
  using Providers = std::map<std::string, std::vector<std::string>>;
  EXPECT_EQ(providers, (Providers{{"a", {"memory", "list"}}, {"b", {"list"}}, {"c", {"memory"}}}));
  // Without being asked for it, the document is what its ETag stands for.
  const HttpReply plain = daemon_.get("/v1/topology");
  EXPECT_EQ(plain.body.find("providers"), std::string::npos);
  EXPECT_NE(plain.etag, "");
}

TEST_F(Merge, AMemberGoesOnlyWhenNobodyListsItAnyMore) {
  ASSERT_DONE(daemon_.admin().join_member(member("a", 7001), ProviderId("memory")));
  ASSERT_TRUE(serves("a b"));
  replace_file(list_, member_file({member("b", 9002)}));
  ASSERT_TRUE(eventually(kHungProgram, [&] {
    const auto a = daemon_.admin().get_member(NodeId("a"));
    return a && a->listings_size() == 1;
  }));
  EXPECT_EQ(ids(), "a b");
  ASSERT_DONE(daemon_.admin().leave_member(NodeId("a"), ProviderId("memory")));
  EXPECT_TRUE(serves("b")) << ids();
}

TEST_F(Merge, AReloadChangesTheModeAndARestartLosesNobody) {
  ASSERT_DONE(daemon_.admin().join_member(member("c", 7003), ProviderId("memory")));
  ASSERT_TRUE(serves("a b c")) << ids();
  daemon_.set_config(config("failover"));
  ASSERT_TRUE(daemon_.reload());
  ASSERT_TRUE(serves("c")) << ids();
  daemon_.set_config(config("merge"));
  ASSERT_TRUE(daemon_.reload());
  ASSERT_TRUE(serves("a b c")) << ids();
  ASSERT_TRUE(daemon_.stop());
  ASSERT_TRUE(daemon_.start());
  EXPECT_TRUE(serves("a b c")) << ids();
}

}  // namespace
}  // namespace rollcall::test
