// The small parts of the client library: addresses, errors, waits, calls.
#include <grpcpp/channel.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <string>

#include "bridges/client/backoff.h"
#include "bridges/client/bridge_clients.h"
#include "bridges/client/channel.h"
#include "bridges/client/default_server.h"
#include "bridges/client/status_error.h"
#include "tests/client/scripted_log.h"
#include "tests/client/scripted_server.h"

namespace rollcall::client::testing {
namespace {

using std::chrono::milliseconds;

Surroundings surroundings(std::map<std::string, std::string> variables, bool root = false) {
  return {[variables](const char* name) {
            const auto found = variables.find(name);
            return found == variables.end() ? std::string() : found->second;
          },
          root};
}

TEST(DefaultServerTest, FollowsOneRule) {
  EXPECT_EQ(default_server(surroundings({{"ROLLCALL_SERVER", "h:1"}, {"HOME", "/h"}})), "h:1");
  EXPECT_EQ(default_server(surroundings({{"ROLLCALL_STATE_DIR", "/s"}, {"HOME", "/h"}})),
            "unix:/s/rollcall.sock");
  EXPECT_EQ(default_server(surroundings({{"HOME", "/root"}}, true)),
            "unix:/var/lib/rollcall/rollcall.sock");
  EXPECT_EQ(default_server(surroundings({{"XDG_STATE_HOME", "/x"}, {"HOME", "/h"}})),
            "unix:/x/rollcall/rollcall.sock");
  EXPECT_EQ(default_server(surroundings({{"XDG_STATE_HOME", "relative"}, {"HOME", "/h"}})),
            "unix:/h/.local/state/rollcall/rollcall.sock");
  EXPECT_EQ(default_server(surroundings({})), "unix:/var/lib/rollcall/rollcall.sock");
}

TEST(ChannelTest, TakesBothFormsOfAddressAndNoOther) {
  for (const char* good : {"unix:/tmp/a.sock", "127.0.0.1:80", "host.example:8080", "[::1]:1"}) {
    EXPECT_TRUE(Channel::open({good, {}})) << good;
  }
  const std::string long_path = "unix:/" + std::string(200, 'x');
  for (const std::string& bad :
       {std::string("host"), std::string("host:"), std::string("host:0"), std::string("host:70000"),
        std::string(":80"), std::string("unix:"), std::string("host:8x"), long_path}) {
    const auto opened = Channel::open({bad, {}});
    ASSERT_FALSE(opened) << bad;
    EXPECT_EQ(opened.error().code, ErrorCode::InvalidConfig);
    EXPECT_EQ(opened.error().problems.size(), 1u);
  }
}

TEST(ChannelTest, APathIsTakenAsItIsAndNotAsAUri) {
  std::string directory = (std::filesystem::temp_directory_path() / "rollcall-XXXXXX").string();
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::string path = directory + "/50%25 a?b#c.sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ASSERT_EQ(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::listen(listener, 1), 0);
  const auto channel = Channel::open({"unix:" + path, {}});
  ASSERT_TRUE(channel) << channel.error().message;
  channel->grpc_channel()->GetState(/*try_to_connect=*/true);
  pollfd knock{listener, POLLIN, 0};
  EXPECT_EQ(::poll(&knock, 1, 30'000), 1) << "nobody connected";
  ::close(listener);
  std::filesystem::remove_all(directory);
}

TEST(ChannelTest, ATlsFileThatCannotBeReadIsNamed) {
  ChannelOptions options{"127.0.0.1:1", {true, "/nonexistent/ca.pem", "", "", ""}};
  const auto opened = Channel::open(options);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().problems[0].field, "tls.ca_file");
}

TEST(StatusErrorTest, R5_5_TheTypedDetailGivesTheCodeAndEveryProblem) {
  ProvisioningError sent{ErrorCode::RevisionConflict,
                         "the set is at revision 7",
                         {{"expected_revision", "6", "7"}, {"x", "y", "z"}},
                         40};
  const auto error = error_of(failed(grpc::StatusCode::ABORTED, sent), "here");
  EXPECT_EQ(error.code, ErrorCode::RevisionConflict);
  EXPECT_EQ(error.message, sent.message);
  EXPECT_EQ(error.problems, sent.problems);
  EXPECT_EQ(error.total_problems, 40u);
}

TEST(StatusErrorTest, AStatusWithoutDetailStillGetsACode) {
  const auto unavailable =
      error_of(grpc::Status(grpc::StatusCode::UNAVAILABLE, "connect failed"), "unix:/a.sock");
  EXPECT_EQ(unavailable.code, ErrorCode::ProvisioningUnavailable);
  EXPECT_NE(unavailable.message.find("unix:/a.sock"), std::string::npos);
  EXPECT_EQ(error_of(grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, ""), "h").code,
            ErrorCode::Timeout);
  EXPECT_EQ(error_of(grpc::Status(grpc::StatusCode::INTERNAL, "x", "not a status"), "h").code,
            ErrorCode::MalformedResponse);
  EXPECT_EQ(error_of(grpc::Status(grpc::StatusCode::UNIMPLEMENTED, ""), "h").code,
            ErrorCode::CapabilityMissing);
}

TEST(BackoffTest, DoublesToItsCeilingWithJitterFromItsSeed) {
  Backoff a({milliseconds(100), milliseconds(1'000)}, 7);
  Backoff b({milliseconds(100), milliseconds(1'000)}, 7);
  double expected = 100;
  for (int i = 0; i < 10; ++i) {
    const auto wait = a.next();
    EXPECT_EQ(wait, b.next());
    EXPECT_GE(static_cast<double>(wait.count()), expected * 0.8 - 1);
    EXPECT_LE(static_cast<double>(wait.count()), expected * 1.2);
    expected = std::min(expected * 2, 1'000.0);
  }
  a.reset();
  EXPECT_LE(a.next(), milliseconds(120));
}

TEST(PartitionClientTest, R3_2_GetsTheProvedSnapshotOrTheReason) {
  ScriptedLog log;
  for (int i = 0; i < 25; ++i) log.join(make_node("n" + std::to_string(i)));
  ScriptedServer server(nullptr);
  const auto channel = Channel::open({server.address(), {}});
  ASSERT_TRUE(channel);
  const PartitionClient client(*channel);

  v1::GetLatestSnapshotRequest seen;
  server.on_snapshot(
      [&](const v1::GetLatestSnapshotRequest& request, ScriptedServer::Stream& stream) {
        seen = request;
        for (const auto& chunk : log.snapshot(10)) stream.send(chunk);
        return grpc::Status::OK;
      });
  SnapshotRequest request;
  request.wait_for_placement = true;
  request.wait = milliseconds(1'500);
  const auto snapshot = client.latest_snapshot(request);
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  EXPECT_EQ(snapshot->view().members.hash(), log.hash());
  EXPECT_TRUE(seen.wait_for_placement());
  EXPECT_EQ(seen.wait_ms(), 1'500u);

  server.on_snapshot([&](const auto&, ScriptedServer::Stream& stream) {
    stream.send(log.snapshot(10)[0]);
    return grpc::Status::OK;
  });
  EXPECT_EQ(client.latest_snapshot().error().code, ErrorCode::MalformedResponse);

  server.on_snapshot([&](const auto&, ScriptedServer::Stream& stream) {
    auto chunks = log.snapshot();
    chunks[0].set_snapshot_hash(1);
    stream.send(chunks);
    return grpc::Status::OK;
  });
  EXPECT_EQ(client.latest_snapshot().error().code, ErrorCode::MalformedResponse);

  server.on_snapshot([&](const auto&, ScriptedServer::Stream&) {
    return failed(grpc::StatusCode::UNAVAILABLE, {ErrorCode::NoSnapshot, "none yet", {}, 0});
  });
  EXPECT_EQ(client.latest_snapshot().error().code, ErrorCode::NoSnapshot);
}

TEST(PlacementClientTest, R3_3_PublishesOwnershipAndTellsWhyNot) {
  ScriptedServer server(nullptr);
  const auto channel = Channel::open({server.address(), {}});
  ASSERT_TRUE(channel);
  const PlacementClient client(*channel, "placement-1");
  server.on_publish([](const v1::PublishOwnershipRequest& request,
                       v1::PublishOwnershipResponse& response) {
    if (request.tick() < 5) {
      return failed(grpc::StatusCode::ABORTED, {ErrorCode::OutOfOrder, "tick 4 is not new", {}, 0});
    }
    response.set_seq_no(request.based_on_seq() + 1);
    return grpc::Status::OK;
  });
  const Position based_on{Epoch(9), SeqNo(100)};
  const auto published = client.publish_ownership(5, based_on, {{"p1", NodeId("n1"), 1, 0, "m"}});
  ASSERT_TRUE(published);
  EXPECT_EQ(*published, SeqNo(101));
  EXPECT_EQ(client.publish_ownership(4, based_on, {}).error().code, ErrorCode::OutOfOrder);
  EXPECT_TRUE(client.acknowledge(based_on));
  EXPECT_EQ(server.acknowledgements()[0].seq_no(), 100u);
}

}  // namespace
}  // namespace rollcall::client::testing
