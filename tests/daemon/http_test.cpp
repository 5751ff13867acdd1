// HTTP on loopback (SPEC 9): metrics, probes, the topology.

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/backends/assert_done.h"
#include "tests/daemon/recording_consumer.h"

namespace rollcall::test {
namespace {

using nlohmann::json;

class Http : public ::testing::Test {
 protected:
  void SetUp() override {
    // Retries and ways back that do not take their time.
    daemon_.add_environment("ROLLCALL_FAILOVER_BACKOFF", "10ms");
    daemon_.add_environment("ROLLCALL_FAILOVER_COOLDOWN", "0s");
    auto started = daemon_.start();
    ASSERT_TRUE(started) << started.error();
  }
  void wait_for_members(std::size_t count) {
    ASSERT_TRUE(eventually(kHungProgram, [&] {
      const auto status = daemon_.admin().get_status();
      return status && status->members() == count;
    }));
  }
  // From a file, which is more than a member at a time could be told. It is taken unread: a
  // sanitized program on a busy machine may need longer for it than a registration gives it.
  void serve_members(std::size_t count) {
    std::vector<ClusterNode> nodes;
    for (std::size_t i = 0; i < count; ++i) nodes.push_back(member("node-" + std::to_string(i)));
    const std::string path = (daemon_.directory() / "members.json").string();
    replace_file(path, member_file(nodes));
    client::WriteOptions unread;
    unread.allow_unreachable = true;
    ASSERT_DONE(daemon_.admin().register_provider(file_provider("file", 1, path), unread));
    wait_for_members(count);
  }
  // The value of a series on the page of metrics; -1: it is not there.
  static double value_of(const std::string& page, const std::string& series) {
    const std::size_t at = page.find("\n" + series + " ");
    return at == std::string::npos ? -1 : std::stod(page.substr(at + series.size() + 2, 32));
  }
  DaemonProcess daemon_;
};

TEST_F(Http, TheTopologyIsComplete) {
  ClusterNode n = member("n1", 7001);
  n.zone = "z";
  n.labels = {{"k", "v"}, {"quote", "\"\\\n"}};
  n.weight = 3;
  n.status = NodeStatus::Draining;
  n.incarnation = "life-2";
  ASSERT_DONE(daemon_.admin().join_member(n));
  wait_for_members(1);
  const HttpReply reply = daemon_.get("/v1/topology");
  ASSERT_EQ(reply.status, 200);
  EXPECT_EQ(reply.content_type, "application/json");
  const json body = json::parse(reply.body);
  const auto status = daemon_.admin().get_status();
  ASSERT_TRUE(status);
  EXPECT_EQ(body["epoch"], std::to_string(status->epoch()));
  EXPECT_EQ(body["seq_no"], std::to_string(status->seq_no()));
  EXPECT_EQ(body["snapshot_hash"], std::to_string(status->snapshot_hash()));
  EXPECT_EQ(body["hash_version"], 1);
  EXPECT_EQ(body["provider"], "default");
  EXPECT_EQ(body["availability"], "AVAILABLE");
  EXPECT_EQ(body["stale"], false);
  EXPECT_GE(body["age_seconds"].get<double>(), 0.0);
  ASSERT_EQ(body["members"].size(), 1u);
  const json expected = {{"id", "n1"},
                         {"host", "10.1.2.3"},
                         {"port", 7001},
                         {"zone", "z"},
                         {"labels", {{"k", "v"}, {"quote", "\"\\\n"}}},
                         {"weight", 3},
                         {"status", "DRAINING"},
                         {"incarnation", "life-2"},
                         {"blocked", false}};
  EXPECT_EQ(body["members"][0], expected);
}

TEST_F(Http, ALargeTopologyIsStreamed) {
  constexpr std::size_t kMembers = 10'000;
  serve_members(kMembers);
  const HttpReply reply = daemon_.get("/v1/topology");
  ASSERT_EQ(reply.status, 200);
  EXPECT_EQ(json::parse(reply.body)["members"].size(), kMembers);
}

TEST_F(Http, AnUnchangedTopologyIsNotSentAgain) {
  ASSERT_DONE(daemon_.admin().join_member(member("n1")));
  wait_for_members(1);
  const HttpReply first = daemon_.get("/v1/topology");
  ASSERT_FALSE(first.etag.empty());
  EXPECT_EQ(daemon_.get("/v1/topology", {{"If-None-Match", first.etag}}).status, 304);
  ASSERT_DONE(daemon_.admin().join_member(member("n2")));
  wait_for_members(2);
  EXPECT_EQ(daemon_.get("/v1/topology", {{"If-None-Match", first.etag}}).status, 200);
}

// --- GET /v1/http_sd, for Prometheus and for other sidecars ---

TEST_F(Http, TheHttpSdListIsTheWholeTopologyAndItsETagIsTheHash) {
  const HttpReply none = daemon_.get("/v1/http_sd");
  EXPECT_EQ(none.status, 200);
  EXPECT_EQ(none.body, "[]\n");  // R2.4: empty, and confirmed
  EXPECT_EQ(none.etag, "\"0\"");
  ASSERT_DONE(daemon_.admin().join_member(member("n2", 7002)));
  ASSERT_DONE(daemon_.admin().join_member(member("n1", 7001)));
  wait_for_members(2);
  const HttpReply reply = daemon_.get("/v1/http_sd");
  ASSERT_EQ(reply.status, 200);
  EXPECT_EQ(reply.content_type, "application/json");
  EXPECT_EQ(reply.stale, "");
  const auto status = daemon_.admin().get_status();
  ASSERT_TRUE(status);
  EXPECT_EQ(reply.etag, "\"" + std::to_string(status->snapshot_hash()) + "\"");
  const json body = json::parse(reply.body);
  ASSERT_EQ(body.size(), 2u);
  EXPECT_EQ(body[0]["targets"], json::array({"10.1.2.3:7001"}));
  EXPECT_EQ(body[0]["labels"]["__meta_rollcall_id"], "n1");
  EXPECT_EQ(body[1]["targets"], json::array({"10.1.2.3:7002"}));
  EXPECT_EQ(daemon_.get("/v1/http_sd").body, reply.body);
  EXPECT_EQ(daemon_.get("/v1/http_sd", {{"If-None-Match", reply.etag}}).status, 304);
  EXPECT_EQ(daemon_.get("/v1/http_sd", {{"If-None-Match", "\"1\", W/" + reply.etag}}).status, 304);
  EXPECT_EQ(daemon_.get("/v1/http_sd", {{"If-None-Match", none.etag}}).status, 200);
}

TEST_F(Http, ABlockedMemberStaysInTheHttpSdListAndIsMarked) {
  ASSERT_DONE(daemon_.admin().join_member(member("n1")));
  wait_for_members(1);
  const std::string before = daemon_.get("/v1/http_sd").etag;
  client::RemotingClient remoting(daemon_.channel(), "remoting-1");
  ASSERT_TRUE(remoting.report_quarantined(NodeId("n1")));
  HttpReply reply;
  EXPECT_TRUE(eventually(kHungProgram, [&] {
    reply = daemon_.get("/v1/http_sd", {{"If-None-Match", before}});
    return reply.status == 200;
  }));
  EXPECT_EQ(json::parse(reply.body)[0]["labels"]["__meta_rollcall_blocked"], "true");
}

TEST_F(Http, R2_2_AStaleHttpSdListIsServedAndSaysSo) {
  ASSERT_DONE(daemon_.admin().join_member(member("n1")));
  wait_for_members(1);
  const HttpReply fresh = daemon_.get("/v1/http_sd");
  ASSERT_DONE(daemon_.admin().disable_provider(ProviderId("default"), "a test"));
  ASSERT_TRUE(eventually(kHungProgram, [&] { return daemon_.get("/v1/http_sd").stale == "true"; }));
  const HttpReply stale = daemon_.get("/v1/http_sd");
  EXPECT_EQ(stale.status, 200);
  EXPECT_EQ(stale.body, fresh.body);
  const HttpReply same = daemon_.get("/v1/http_sd", {{"If-None-Match", fresh.etag}});
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.stale, "true");
}

TEST_F(Http, ALargeHttpSdListIsWhole) {
  constexpr std::size_t kMembers = 10'000;
  serve_members(kMembers);
  const HttpReply reply = daemon_.get("/v1/http_sd");
  ASSERT_EQ(reply.status, 200);
  EXPECT_EQ(json::parse(reply.body).size(), kMembers);
}

TEST_F(Http, ProbesSayWhatTheyKnow) {
  EXPECT_EQ(daemon_.get("/livez").status, 200);
  const HttpReply ready = daemon_.get("/readyz");
  EXPECT_EQ(ready.status, 200);
  EXPECT_EQ(json::parse(ready.body)["availability"], "EMPTY");

  DaemonProcess::Options none;
  none.config = "cluster: prod\n";
  DaemonProcess bare(none);
  ASSERT_TRUE(bare.start());
  const HttpReply not_ready = bare.get("/readyz");
  EXPECT_EQ(not_ready.status, 503);
  EXPECT_EQ(json::parse(not_ready.body)["code"], "NO_SNAPSHOT");
  EXPECT_EQ(bare.get("/v1/topology").status, 503);
  // Never [], which would be a cluster that is gone.
  const HttpReply list = bare.get("/v1/http_sd");
  EXPECT_EQ(list.status, 503);
  EXPECT_EQ(json::parse(list.body)["code"], "NO_SNAPSHOT");
  EXPECT_EQ(bare.get("/livez").status, 200);
}

TEST_F(Http, ADrainingSidecarIsNotReady) {
  ASSERT_DONE(daemon_.admin().drain());
  EXPECT_TRUE(eventually(kHungProgram, [&] {
    const HttpReply reply = daemon_.get("/readyz");
    return reply.status == 503 || !daemon_.running();
  }));
}

TEST_F(Http, R4_5_HealthAndTimesAreExported) {
  ClusterNode leaving = member("n2");
  leaving.status = NodeStatus::Draining;
  ClusterNode failing = member("n3");
  failing.status = NodeStatus::NotReady;
  for (const ClusterNode& n : {member("n1"), leaving, failing, member("n4")})
    ASSERT_DONE(daemon_.admin().join_member(n));
  wait_for_members(4);
  client::RemotingClient remoting(daemon_.channel(), "remoting-1");
  ASSERT_TRUE(remoting.report_quarantined(NodeId("n4")));
  const HttpReply reply = daemon_.get("/metrics");
  ASSERT_EQ(reply.status, 200);
  EXPECT_TRUE(reply.content_type.starts_with("text/plain; version=0.0.4")) << reply.content_type;
  for (const char* wanted :
       {"rollcall_provider_health{provider=\"default\",state=\"HEALTHY\"} 1",
        "rollcall_topology_members{status=\"READY\"} 2", "rollcall_remote_nodes{state=\"up\"} 1",
        "rollcall_remote_nodes{state=\"degraded\"} 1", "rollcall_remote_nodes{state=\"down\"} 2",
        "rollcall_availability{state=\"AVAILABLE\"} 1"})
    EXPECT_NE(reply.body.find(std::string("\n") + wanted + "\n"), std::string::npos)
        << wanted << "\n"
        << reply.body;
  // Both tell of one answer: the newest of the only provider.
  const double updated =
      value_of(reply.body, "rollcall_provider_last_update_timestamp_seconds{provider=\"default\"}");
  EXPECT_GT(updated, 0);
  EXPECT_EQ(value_of(reply.body, "rollcall_remote_nodes_last_update_timestamp_seconds"), updated);
}

TEST_F(Http, R5_1_LatencyFailoversAndInterruptionsAreMeasured) {
  const std::string answers = "rollcall_snapshot_latency_seconds_count";
  const double before = value_of(daemon_.get("/metrics").body, answers);
  EXPECT_GE(before, 0);
  ASSERT_DONE(daemon_.admin().join_member(member("n1")));
  wait_for_members(1);
  EXPECT_GT(value_of(daemon_.get("/metrics").body, answers), before);
  const std::string path = (daemon_.directory() / "members.json").string();
  replace_file(path, member_file({member("n1")}));
  ASSERT_DONE(daemon_.admin().register_provider(file_provider("file", 10, path)));
  const auto active = [&](const std::string& id) {
    return eventually(kHungProgram, [&] {
      const auto status = daemon_.admin().get_status();
      return status && status->active_provider() == id;
    });
  };
  ASSERT_TRUE(active("file"));
  replace_file(path, "half a fi");  // its answers fail until it is Unreachable
  ASSERT_TRUE(active("default"));
  const std::string body = daemon_.get("/metrics").body;
  for (const char* wanted :
       {"rollcall_failovers_total{from=\"default\",reason=\"RECOVERED\",to=\"file\"} 1",
        "rollcall_failovers_total{from=\"file\",reason=\"HEALTH_DEGRADED\",to=\"default\"} 1"})
    EXPECT_NE(body.find(wanted), std::string::npos) << wanted << "\n" << body;
  // Three in a row made it Unreachable.
  EXPECT_GE(
      value_of(body,
               R"(rollcall_stream_interruptions_total{code="MALFORMED_RESPONSE",provider="file"})"),
      3);
}

TEST_F(Http, AForeignHostIsRefused) {
  const HttpReply reply = daemon_.get("/v1/topology", {{"Host", "rebound.example"}});
  EXPECT_EQ(reply.status, 403);
  EXPECT_EQ(json::parse(reply.body)["code"], "PERMISSION_DENIED");
  EXPECT_EQ(daemon_.get("/livez", {{"Host", "localhost:80"}}).status, 200);
}

TEST_F(Http, UnknownPathsSaySo) {
  const HttpReply reply = daemon_.get("/nothing");
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(json::parse(reply.body)["code"], "NOT_FOUND");
}

}  // namespace
}  // namespace rollcall::test
